"""Whatever a statement looks like, nobody gets a row past the guard that could not pay for it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import (
    Integer,
    MetaData,
    Table,
    bindparam,
    column,
    create_engine,
    event,
    func,
    insert,
    literal,
    select,
    table,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session, aliased

from flask_billing import BillingInfo, PaymentMethodRequired
from tests.guard.conftest import Ids
from tests.host import Project, Seat, Server, db

SERVER = Server.__table__

on_postgresql = pytest.mark.parametrize(
    "database_url", [pytest.param("postgresql", marks=pytest.mark.database)], indirect=True
)
with_upserts = pytest.mark.parametrize(
    "database_url",
    [pytest.param(name, marks=pytest.mark.database) for name in ("sqlite", "postgresql")],
    indirect=True,
)

Way = Callable[[Ids], Any]


def core(statement: Any, parameters: Any = None) -> None:
    db.session.connection().execute(statement, parameters)


def quietly(statement: Any) -> None:
    db.session.execute(statement, execution_options={"synchronize_session": False})


def servers(project_id: int) -> int:
    db.session.rollback()
    count = select(func.count()).select_from(SERVER).where(SERVER.c.project_id == project_id)
    return db.session.scalar(count) or 0


def paid_server(ids: Ids) -> int:
    server = Server(project_id=ids.paying)
    db.session.add(server)
    db.session.commit()
    return server.id


def _compound_select(ids: Ids) -> None:
    rows = union_all(
        select(literal("a"), literal(ids.paying)), select(literal("b"), literal(ids.poor))
    )
    db.session.execute(insert(Server).from_select(["name", "project_id"], rows))


def _overridden_parameter(ids: Ids) -> None:
    row = select(literal("a"), bindparam("project", value=ids.paying, type_=Integer))
    core(insert(SERVER).from_select(["name", "project_id"], row), {"project": ids.poor})


def _reflected_table(ids: Ids) -> None:
    reflected = Table("server", MetaData(), autoload_with=db.session.connection())
    db.session.execute(insert(reflected).values(name="a", project_id=ids.poor))


def _lightweight_table(ids: Ids) -> None:
    plain = table("server", column("name"), column("project_id"))
    db.session.execute(insert(plain).values(name="a", project_id=ids.poor))


CREATIONS: dict[str, Way] = {
    "a compound select": _compound_select,
    "a select whose parameter is overridden": _overridden_parameter,
    "a second Table object": _reflected_table,
    "table()": _lightweight_table,
}


@pytest.mark.parametrize("way", CREATIONS.values(), ids=CREATIONS)
def test_no_insert_gets_around_the_guard(app: Flask, ids: Ids, way: Way) -> None:
    with app.app_context():
        with pytest.raises(PaymentMethodRequired):
            way(ids)

        assert servers(ids.poor) == 0


def _second_table(ids: Ids) -> None:
    plain = table("server", column("project_id"))
    db.session.execute(update(plain).values(project_id=ids.poor))


def _joined(ids: Ids) -> None:
    project = Project.__table__
    joined = update(project).where(SERVER.c.project_id == ids.paying, project.c.id == ids.paying)
    core(joined.values({SERVER.c.project_id: ids.poor}))


MOVES: dict[str, Way] = {
    "an alias": lambda ids: db.session.execute(
        update(SERVER.alias("other")).values(project_id=ids.poor)
    ),
    "aliased()": lambda ids: quietly(update(aliased(Server)).values(project_id=ids.poor)),
    "table()": _second_table,
    "a join with another table": _joined,
    "ordered values": lambda ids: db.session.execute(
        update(SERVER).ordered_values((SERVER.c.project_id, ids.poor))
    ),
}


@pytest.mark.parametrize("way", MOVES.values(), ids=MOVES)
def test_no_update_gets_around_the_guard(app: Flask, ids: Ids, way: Way) -> None:
    with app.app_context():
        paid_server(ids)

        with pytest.raises(PaymentMethodRequired):
            way(ids)
        assert servers(ids.poor) == 0


def _insert_in_a_cte(ids: Ids) -> Any:
    return insert(SERVER).values(name="a", project_id=ids.poor).returning(SERVER.c.id).cte("made")


def _update_in_a_cte(ids: Ids) -> Any:
    return update(SERVER).values(project_id=ids.poor).returning(SERVER.c.id).cte("moved")


EXPRESSIONS: dict[str, Callable[[Ids], Any]] = {
    "insert, selected from": lambda ids: select(_insert_in_a_cte(ids)),
    "insert, added to a select": lambda ids: select(literal(1)).add_cte(_insert_in_a_cte(ids)),
    "insert, added to an insert": lambda ids: (
        insert(SERVER).values(name="b", project_id=ids.paying).add_cte(_insert_in_a_cte(ids))
    ),
    "insert, in a subquery": lambda ids: select(literal(1)).where(
        select(_insert_in_a_cte(ids)).exists()
    ),
    "update, selected from": lambda ids: select(_update_in_a_cte(ids)),
    "update, added to a select": lambda ids: select(literal(1)).add_cte(_update_in_a_cte(ids)),
}


@on_postgresql
@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS)
def test_no_common_table_expression_gets_around_the_guard(
    app: Flask, ids: Ids, expression: Callable[[Ids], Any]
) -> None:
    with app.app_context():
        paid_server(ids)

        with pytest.raises(PaymentMethodRequired):
            db.session.execute(expression(ids))
        assert servers(ids.poor) == 0


@on_postgresql
def test_common_table_expression_that_names_no_project_is_left_alone(app: Flask, ids: Ids) -> None:
    with app.app_context():
        paid_server(ids)
        renamed = update(SERVER).values(name="web-2").returning(SERVER.c.name).cte("renamed")

        assert db.session.scalars(select(renamed)).all() == ["web-2"]


def upsert() -> Any:
    of = {"sqlite": sqlite, "postgresql": postgresql}
    return of[db.engine.dialect.name].insert(SERVER)


def _upsert_values(ids: Ids, key: int, to: Any) -> Any:
    row = upsert().values(id=key, name="a", project_id=ids.paying)
    return row.on_conflict_do_update(index_elements=["id"], set_=to)


UPSERTS: dict[str, Callable[[Ids, int], None]] = {
    "by name": lambda ids, key: core(_upsert_values(ids, key, {"project_id": ids.poor})),
    "by column": lambda ids, key: core(_upsert_values(ids, key, {SERVER.c.project_id: ids.poor})),
    "by the second of two rows": lambda ids, key: core(
        upsert()
        .values(name="a")
        .on_conflict_do_update(index_elements=["id"], set_={"project_id": bindparam("moved_to")}),
        [
            {"id": key, "project_id": ids.paying, "moved_to": ids.paying},
            {"id": key, "project_id": ids.paying, "moved_to": ids.poor},
        ],
    ),
}


@with_upserts
@pytest.mark.parametrize("way", UPSERTS.values(), ids=UPSERTS)
def test_upsert_moves_no_row_to_a_project_that_cannot_pay(
    app: Flask, ids: Ids, way: Callable[[Ids, int], None]
) -> None:
    with app.app_context():
        key = paid_server(ids)

        with pytest.raises(PaymentMethodRequired):
            way(ids, key)
        assert servers(ids.poor) == 0


@with_upserts
def test_upsert_of_a_project_that_can_pay_may(app: Flask, ids: Ids) -> None:
    with app.app_context():
        key = paid_server(ids)

        core(_upsert_values(ids, key, {"name": "web-2", "project_id": ids.paying}))
        db.session.commit()

        assert db.session.get_one(Server, key).name == "web-2"


def _seats(project_id: int, *, rows: int) -> Any:
    """Insert seats by a select of so many rows: of none from nowhere, or of four."""
    row = select(literal(project_id))
    if rows > 1:
        one, two = aliased(Project), aliased(Project)
        row = row.select_from(one).join(two, true())
    return insert(Seat).from_select(["project_id"], row)


def test_select_of_many_rows_does_not_count_as_one_free_row(app: Flask, ids: Ids) -> None:
    with app.app_context():
        with pytest.raises(PaymentMethodRequired):
            db.session.execute(_seats(ids.poor, rows=4))
        db.session.rollback()
        db.session.execute(_seats(ids.poor, rows=1))
        db.session.execute(_seats(ids.paying, rows=4))
        db.session.commit()

        counts = select(Seat.project_id, func.count().label("rows")).group_by(Seat.project_id)
        found = {row.project_id: row.rows for row in db.session.execute(counts)}
        assert found == {ids.poor: 1, ids.paying: 4}


def test_project_that_stops_paying_in_the_same_flush_creates_nothing(app: Flask, ids: Ids) -> None:
    with app.app_context():
        project = db.session.get_one(Project, ids.paying)
        project.billing_info = None
        db.session.add(Server(project=project))

        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert servers(ids.paying) == 0


def test_project_whose_key_of_billing_info_is_taken_away_creates_nothing(
    app: Flask, ids: Ids
) -> None:
    with app.app_context():
        db.session.get_one(Project, ids.paying).billing_info_id = None
        db.session.add(Server(project_id=ids.paying))

        with pytest.raises(PaymentMethodRequired):
            db.session.commit()
        assert servers(ids.paying) == 0


def test_project_that_comes_to_pay_in_the_same_flush_may(app: Flask, ids: Ids) -> None:
    with app.app_context():
        project = db.session.get_one(Project, ids.poor)
        project.billing_info = db.session.scalars(select(BillingInfo)).one()
        db.session.add(Server(project=project))
        db.session.commit()

        assert servers(ids.poor) == 1


#: What a database might round, or read another key into. The paying project has the key 1.
NO_KEYS: dict[str, Callable[[int], Any]] = {
    "float": lambda poor: poor - 0.4,
    "Decimal": lambda poor: Decimal(poor) - Decimal("0.4"),
    "bool": lambda poor: True,
    "text of a float": lambda poor: f"{poor}.0",
    "text with a space": lambda poor: f" {poor}",
}


@pytest.mark.parametrize("no_key", NO_KEYS.values(), ids=NO_KEYS)
def test_what_is_no_key_is_never_read_as_one(
    app: Flask, ids: Ids, no_key: Callable[[int], Any]
) -> None:
    with app.app_context():
        value = no_key(ids.poor)

        with pytest.raises(PaymentMethodRequired):
            core(insert(SERVER).values(name="a", project_id=value))
        db.session.rollback()
        db.session.add(Server(project_id=value))
        with pytest.raises(PaymentMethodRequired):
            db.session.flush()
        assert servers(ids.poor) == servers(ids.paying) == 0


def test_autocommit_is_refused_because_no_lock_would_hold(app: Flask, ids: Ids) -> None:
    with app.app_context():
        of_option = db.engine.execution_options(isolation_level="AUTOCOMMIT")
        from_birth = create_engine(db.engine.url, isolation_level="AUTOCOMMIT")

        with Session(of_option) as session:
            session.add(Server(project_id=ids.paying))
            with pytest.raises(RuntimeError, match="AUTOCOMMIT"):
                session.flush()
        with from_birth.connect() as connection, pytest.raises(RuntimeError, match="AUTOCOMMIT"):
            connection.execute(insert(SERVER), {"name": "a", "project_id": ids.paying})
        assert servers(ids.paying) == 0


def test_second_engine_on_the_same_database_is_guarded_by_itself(app: Flask, ids: Ids) -> None:
    with app.app_context():
        second = create_engine(db.engine.url)
        with second.begin() as connection:
            connection.execute(insert(SERVER), {"name": "a", "project_id": ids.paying})
        with second.connect() as connection, pytest.raises(PaymentMethodRequired):
            connection.execute(insert(SERVER), {"name": "a", "project_id": ids.poor})

        assert not db.session().in_transaction()
        assert (servers(ids.paying), servers(ids.poor)) == (1, 0)


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect what is sent to the database while the block runs."""
    seen: list[str] = []

    def remember(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield seen
    event.remove(Engine, "before_cursor_execute", remember)


def _judging(rows: int, project_id: int) -> int:
    """Return how many statements beside the INSERTs it takes to flush so many rows."""
    db.session.add_all([Server(project_id=project_id) for _ in range(rows)])
    db.session.connection()
    with statements() as seen:
        db.session.flush()
    db.session.rollback()
    return sum(not statement.startswith("INSERT") for statement in seen)


def test_thousand_rows_by_key_are_judged_by_as_many_statements_as_one(app: Flask, ids: Ids) -> None:
    with app.app_context():
        assert _judging(1, ids.paying) == _judging(1000, ids.paying) == 1


def _steps(rows: int, project_id: int) -> int:
    """Return how many calls Python makes to flush so many rows."""
    db.session.add_all([Server(project_id=project_id) for _ in range(rows)])
    db.session.connection()
    steps = 0

    def count(frame: Any, kind: str, argument: Any) -> None:
        nonlocal steps
        steps += 1

    sys.setprofile(count)
    try:
        db.session.flush()
    finally:
        sys.setprofile(None)
        db.session.rollback()
    return steps


@pytest.mark.parametrize(
    "database_url", [pytest.param("sqlite", marks=pytest.mark.database)], indirect=True
)
def test_twice_as_many_rows_by_key_are_about_twice_the_work(app: Flask, ids: Ids) -> None:
    with app.app_context():
        _steps(1, ids.paying)

        assert _steps(800, ids.paying) < 2.5 * _steps(400, ids.paying)
