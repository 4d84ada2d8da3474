"""Whatever way SQLAlchemy creates a row, the guard is asked before it is written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, literal, select, update

from flask_billing import BillingInfo, PaymentMethod, PaymentMethodRequired
from tests.guard.conftest import Ids
from tests.host import Database, Project, Seat, Server, Zone, db

Way = Callable[[int], Any]


def _relationship(project_id: int) -> Project:
    project = db.session.get_one(Project, project_id)
    project.servers.append(Server(name="web-1"))
    return project


def _server(project_id: int) -> Server:
    return Server(name="web-1", project_id=project_id)


def _from_select(project_id: int) -> Any:
    row = select(literal("web-1"), literal(project_id))
    return insert(Server).from_select(["name", "project_id"], row)


def _core(statement: Any, parameters: Any = None) -> None:
    db.session.connection().execute(statement, parameters)


WAYS: dict[str, Way] = {
    "add": lambda key: db.session.add(_server(key)),
    "add with the project": lambda key: db.session.add(
        Server(name="web-1", project=db.session.get_one(Project, key))
    ),
    "add_all": lambda key: db.session.add_all([_server(key), _server(key)]),
    "relationship": _relationship,
    "merge": lambda key: db.session.merge(_server(key)),
    "bulk_save_objects": lambda key: db.session.bulk_save_objects([_server(key)]),
    "bulk_insert_mappings": lambda key: db.session.bulk_insert_mappings(
        Server.__mapper__, [{"name": "web-1", "project_id": key}]
    ),
    "ORM insert, one row": lambda key: db.session.execute(
        insert(Server).values(name="web-1", project_id=key)
    ),
    "ORM insert, many rows": lambda key: db.session.execute(
        insert(Server), [{"name": "a", "project_id": key}, {"name": "b", "project_id": key}]
    ),
    "ORM insert, many values": lambda key: db.session.execute(
        insert(Server).values([{"name": "a", "project_id": key}, {"name": "b", "project_id": key}])
    ),
    "Core insert, one row": lambda key: _core(
        insert(Server.__table__).values(name="web-1", project_id=key)
    ),
    "Core insert, parameters": lambda key: _core(
        insert(Server.__table__), {"name": "web-1", "project_id": key}
    ),
    "Core insert, many rows": lambda key: _core(
        insert(Server.__table__),
        [{"name": "a", "project_id": key}, {"name": "b", "project_id": key}],
    ),
    "Core insert, tuples": lambda key: _core(
        insert(Server.__table__).values([(1, "a", key), (2, "b", key)])
    ),
    "from a select with a known project": lambda key: _core(_from_select(key)),
}


def _do(way: Way, key: int) -> None:
    _kept = way(key)
    db.session.flush()


def count(model: type[Any]) -> int:
    db.session.rollback()
    return len(db.session.scalars(select(model)).all())


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_project_without_payment_method_is_refused(app: Flask, ids: Ids, way: Way) -> None:
    with app.app_context():
        with pytest.raises(PaymentMethodRequired) as refused:
            _do(way, ids.poor)

        assert refused.value.project_key == str(ids.poor)
        assert refused.value.resource == "server"
        assert count(Server) == 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_project_with_payment_method_may(app: Flask, ids: Ids, way: Way) -> None:
    with app.app_context():
        _kept = way(ids.paying)
        db.session.commit()

        assert count(Server) > 0


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_guard_is_open_while_billing_is_off(app: Flask, ids: Ids, way: Way) -> None:
    from flask_billing import Settings
    from flask_billing.state import current

    with app.app_context():
        current().settings = Settings()
        _kept = way(ids.poor)
        db.session.commit()

        assert count(Server) > 0


def test_one_poor_project_among_many_refuses_all(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.add_all([_server(ids.paying), _server(ids.poor)])

        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert count(Server) == 0


def test_insert_from_a_select_of_unknown_projects_is_refused(app: Flask, ids: Ids) -> None:
    with app.app_context():
        some = select(literal("web-1"), Project.id)
        statement = insert(Server).from_select(["name", "project_id"], some)

        with pytest.raises(PaymentMethodRequired, match="can't be known"):
            db.session.execute(statement)


def test_insert_with_an_sql_expression_for_the_project_is_refused(app: Flask, ids: Ids) -> None:
    with app.app_context():
        first = select(Project.id).limit(1).scalar_subquery()

        with pytest.raises(PaymentMethodRequired, match="can't be known"):
            db.session.execute(insert(Server).values(name="web-1", project_id=first))


def _move(server: Server, key: int, by: str) -> None:
    match by:
        case "key":
            server.project_id = key
        case "project":
            server.project = db.session.get_one(Project, key)
        case "ORM update":
            db.session.execute(update(Server).values(project_id=key))
        case "Core update":
            _core(update(Server.__table__), {"project_id": key})
        case "bulk":
            rows = [{"id": server.id, "project_id": key}]
            db.session.bulk_update_mappings(Server.__mapper__, rows)
    db.session.flush()


@pytest.mark.parametrize("by", ["key", "project", "ORM update", "Core update", "bulk"])
def test_resource_cannot_be_moved_to_a_project_that_cannot_pay(
    app: Flask, ids: Ids, by: str
) -> None:
    with app.app_context():
        server = _server(ids.paying)
        db.session.add(server)
        db.session.commit()
        key = server.id

        with pytest.raises(PaymentMethodRequired):
            _move(server, ids.poor, by)

        db.session.rollback()
        assert db.session.get_one(Server, key).project_id == ids.paying


def test_other_changes_are_none_of_the_guards_business(app: Flask, ids: Ids) -> None:
    with app.app_context():
        server = _server(ids.paying)
        db.session.add(server)
        db.session.commit()
        db.session.query(PaymentMethod).update({"usable": False})
        db.session.commit()

        server.name = "web-2"
        db.session.commit()
        db.session.execute(update(Server).values(name="web-3"))
        db.session.delete(server)
        db.session.commit()

        assert count(Server) == 0


def test_new_project_may_not_create_with_its_first_flush(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.add(Server(name="web-1", project=Project(name="new")))

        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert count(Project) == 2


def test_new_project_that_shares_billing_info_may(app: Flask, ids: Ids) -> None:
    with app.app_context():
        info = db.session.get_one(Project, ids.paying).billing_info
        db.session.add(Server(name="web-1", project=Project(name="new", billing_info=info)))
        db.session.commit()

        assert count(Server) == 1


def test_everything_new_in_one_flush(app: Flask, ids: Ids) -> None:
    with app.app_context():
        info = BillingInfo(stripe_id="cus_new")
        method = PaymentMethod(stripe_id="pm_new", billing_info=info)
        project = Project(name="new", billing_info=info)
        db.session.add_all([Server(name="web-1", project=project), project, method])
        db.session.commit()

        assert count(Server) == 1


def test_free_kind_is_never_asked_about(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.add(Zone(project_id=ids.poor))
        db.session.execute(insert(Zone).values(project_id=ids.poor))
        db.session.commit()

        assert count(Zone) == 2


def test_free_quantity_counts_what_is_there(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.add_all([Seat(project_id=ids.poor), Seat(project_id=ids.poor)])
        db.session.commit()
        db.session.add(Seat(project_id=ids.poor))

        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert count(Seat) == 2


def test_free_quantity_is_not_exceeded_in_one_flush_or_statement(app: Flask, ids: Ids) -> None:
    with app.app_context():
        rows = [{"project_id": ids.poor}] * 3

        with pytest.raises(PaymentMethodRequired):
            db.session.execute(insert(Seat), rows)
        db.session.rollback()
        db.session.add_all([Seat(**row) for row in rows])
        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert count(Seat) == 0


def test_internal_project_may_create(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.get_one(Project, ids.poor).billable = False
        db.session.commit()
        born = Project(name="born internal")
        born.billable = False
        db.session.add_all([_server(ids.poor), Server(name="web-2", project=born)])
        db.session.commit()
        db.session.add(Database(project_id=born.id))
        db.session.commit()

        assert count(Server) == 2


def test_rows_granted_and_not_written_open_nothing_later(app: Flask, ids: Ids) -> None:
    with app.app_context():
        db.session.add(_server(ids.paying))
        db.session.flush()
        db.session.rollback()
        db.session.query(PaymentMethod).update({"usable": False})
        db.session.commit()

        with pytest.raises(PaymentMethodRequired):
            db.session.execute(insert(Server).values(name="web-1", project_id=ids.paying))
