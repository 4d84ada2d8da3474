"""What the unit of work does not see row by row is refused, unless metering is put off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import delete, event, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from flask_billing import PaymentMethodRequired
from tests.host import Machine, Project, Server, billing, db
from tests.metering.conftest import Ids, make_app
from tests.metering.spans import running, spans

BULK: dict[str, Callable[[int], Any]] = {
    "bulk_save_objects": lambda key: db.session.bulk_save_objects([Machine(project_id=key)]),
    "bulk_save_objects, update": lambda key: db.session.bulk_save_objects(
        [_changed(db.session.scalars(select(Machine)).first())]
    ),
    "bulk_insert_mappings": lambda key: db.session.bulk_insert_mappings(
        Machine.__mapper__, [{"project_id": key, "size": "small", "disk": 0, "state": "on"}]
    ),
    "bulk_update_mappings": lambda key: db.session.bulk_update_mappings(
        Machine.__mapper__, [{"id": 1, "disk": 2}]
    ),
    "ORM insert": lambda key: db.session.execute(insert(Machine).values(project_id=key)),
    "ORM insert, many": lambda key: db.session.execute(
        insert(Machine), [{"project_id": key}, {"project_id": key}]
    ),
    "ORM insert, returning": lambda key: db.session.scalars(
        insert(Machine).returning(Machine), [{"project_id": key}, {"project_id": key}]
    ).all(),
    "ORM update": lambda key: db.session.execute(update(Machine).values(disk=5)),
    "ORM update by key": lambda key: db.session.execute(update(Machine), [{"id": 1, "disk": 2}]),
    "ORM delete": lambda key: db.session.execute(delete(Machine)),
    "Query.update": lambda key: db.session.query(Machine).update({"disk": 5}),
    "Query.delete": lambda key: db.session.query(Machine).delete(),
}

SQL: dict[str, Callable[[int], Any]] = {
    "Core insert": lambda key: db.session.execute(
        insert(Machine.__table__).values(project_id=key, size="small", disk=0, state="on")
    ),
    "Core update": lambda key: db.session.execute(update(Machine.__table__).values(disk=5)),
    "Core delete": lambda key: db.session.execute(delete(Machine.__table__)),
    "text": lambda key: db.session.execute(text("UPDATE machine SET disk = 5")),
}


def _changed(machine: Any) -> Machine:
    machine.disk = 8
    return machine


@pytest.fixture(autouse=True)
def _inside(app: Flask, ids: Ids) -> Any:
    with app.app_context():
        db.session.add(Machine(project_id=ids.one))
        db.session.commit()
        yield
        db.session.rollback()


def _act(way: Callable[[int], Any], key: int) -> None:
    with db.session.no_autoflush:
        way(key)


def _refused(way: Callable[[int], Any], key: int) -> bool:
    try:
        _act(way, key)
    except RuntimeError as error:
        return "Machine is metered" in str(error) and "billing.metering_deferred()" in str(error)
    finally:
        db.session.rollback()
    return False


def test_bulk_statements_are_refused(ids: Ids) -> None:
    before = spans()

    refused = {name: _refused(way, ids.one) for name, way in BULK.items()}

    assert refused == dict.fromkeys(BULK, True)
    assert spans() == before
    assert len(db.session.scalars(select(Machine)).all()) == 1


def test_bulk_statements_pass_while_metering_is_put_off(ids: Ids) -> None:
    before = spans()

    with billing.metering_deferred():
        refused = {name: _refused(way, ids.one) for name, way in BULK.items()}

    assert refused == dict.fromkeys(BULK, False)
    assert spans() == before


def test_what_the_host_writes_as_core_or_sql_passes(ids: Ids) -> None:
    before = spans()

    refused = {name: _refused(way, ids.one) for name, way in SQL.items()}

    assert refused == dict.fromkeys(SQL, False)
    assert spans() == before


def test_unit_of_work_is_metered_while_bulk_statements_are_put_off(ids: Ids) -> None:
    with billing.metering_deferred():
        db.session.add(Machine(project_id=ids.one))
        db.session.commit()

    assert len(running()) == 2


def test_refusal_comes_back_after_the_block(ids: Ids) -> None:
    with billing.metering_deferred(), billing.metering_deferred():
        pass

    with pytest.raises(RuntimeError, match="metered"):
        db.session.execute(delete(Machine))


def test_unmetered_models_may_be_written_in_bulk(ids: Ids) -> None:
    db.session.bulk_save_objects([Server(project_id=ids.one, name="a")])
    db.session.execute(insert(Server), [{"project_id": ids.one, "name": "b"}])
    db.session.execute(update(Server).values(name="c"))
    db.session.execute(delete(Server))
    db.session.commit()

    assert len(spans()) == 1


def test_flush_after_a_refused_flush_is_metered(ids: Ids) -> None:
    db.session.add(Machine(id=1, project_id=ids.one))
    with pytest.raises(IntegrityError):
        db.session.commit()
    db.session.rollback()
    with pytest.raises(RuntimeError, match="metered"):
        db.session.bulk_save_objects([Machine(project_id=ids.one)])
    db.session.rollback()

    db.session.add(Machine(project_id=ids.one))
    db.session.commit()

    assert len(running()) == 2


def test_bulk_statement_after_a_refusal_of_the_guard_is_refused(ids: Ids) -> None:
    poor = Project(name="poor")
    db.session.add(poor)
    db.session.commit()
    machine = Machine(project_id=poor.id)
    db.session.add(machine)
    with pytest.raises(PaymentMethodRequired):
        db.session.flush()
    db.session.expunge(machine)

    with pytest.raises(RuntimeError, match="metered"):
        db.session.bulk_save_objects([Machine(project_id=ids.one)])


def test_bulk_statement_after_a_session_that_broke_off_is_refused(ids: Ids) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("of the host")

    event.listen(db.session, "before_flush", fail)
    try:
        db.session.add(Machine(project_id=ids.one))
        with pytest.raises(ValueError, match="of the host"):
            db.session.flush()
    finally:
        event.remove(db.session, "before_flush", fail)
    db.session.remove()

    with pytest.raises(RuntimeError, match="metered"):
        db.session.bulk_save_objects([Machine(project_id=ids.one)])


def test_bulk_statements_pass_while_billing_is_off(sqlite_url: str) -> None:
    off = make_app(sqlite_url, STRIPE_SECRET_KEY=None)
    with off.app_context():
        db.session.execute(insert(Machine), [{"project_id": 1}])
        db.session.execute(delete(Machine))
        db.session.commit()

        assert db.session.scalars(select(Machine)).all() == []
