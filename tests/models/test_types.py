"""Times are aware UTC and amounts are exact, whatever the database gives back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    Integer,
    MetaData,
    Table,
    create_engine,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateColumn

from flask_billing.models import BillingRecord, PaymentMethod, UTCDateTime
from flask_billing.models.types import ExactAmount, Fixed

NAIVE = datetime(2026, 3, 1, 0, 0, 0, 123_456)  # noqa: DTZ001 - as SQLite and MariaDB return it
AWARE = NAIVE.replace(tzinfo=UTC)
IN_TOKYO = AWARE.astimezone(timezone(timedelta(hours=9)))
DIALECTS: dict[str, Dialect] = {
    "sqlite": sqlite.dialect(),
    "postgresql": postgresql.dialect(),  # type: ignore[no-untyped-call]
    "mariadb": mysql.dialect(),
}


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("returned", [NAIVE, AWARE, IN_TOKYO])
def test_what_the_database_returns_is_utc(dialect: Dialect, returned: datetime) -> None:
    value = UTCDateTime().process_result_value(returned, dialect)

    assert value == AWARE
    assert value is not None
    assert value.tzinfo is UTC


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_time_of_another_zone_is_stored_as_utc(dialect: Dialect) -> None:
    stored = UTCDateTime().process_bind_param(IN_TOKYO, dialect)

    assert stored == (AWARE if dialect.name == "postgresql" else NAIVE)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_time_without_a_zone_is_refused(dialect: Dialect) -> None:
    with pytest.raises(ValueError, match="without a zone"):
        UTCDateTime().process_bind_param(NAIVE, dialect)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_no_time_stays_no_time(dialect: Dialect) -> None:
    assert UTCDateTime().process_bind_param(None, dialect) is None
    assert UTCDateTime().process_result_value(None, dialect) is None


@pytest.mark.parametrize(
    ("dialect", "time", "text"),
    [
        ("sqlite", "DATETIME", "VARCHAR(255)"),
        ("postgresql", "TIMESTAMP WITH TIME ZONE", 'VARCHAR(255) COLLATE "C"'),
        ("mariadb", "DATETIME(6)", "VARCHAR(255) COLLATE utf8mb4_bin"),
    ],
)
def test_each_database_gets_its_own_type(dialect: str, time: str, text: str) -> None:
    table: Any = PaymentMethod.__table__

    columns = {
        name: str(CreateColumn(table.c[name]).compile(dialect=DIALECTS[dialect]))
        for name in ("removed_at", "stripe_id")
    }

    assert columns["removed_at"].startswith(f"removed_at {time}")
    assert columns["stripe_id"].startswith(f"stripe_id {text}")


def test_queries_with_times_are_cached() -> None:
    assert UTCDateTime.cache_ok


FIXED = ["0", "0.000001", "0.1", "2.5", "40320", "9000000000000.000001"]
EXACT = ["0", f"0.{1:024}", "30.996008", f"12345678.{1:024}", "-1.5", "1"]
amounts = Table(
    "amounts",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("fixed", Fixed(6)),
    Column("exact", ExactAmount()),
)


@pytest.fixture
def engine(database_url: str) -> Engine:
    """A database with a table of amounts."""
    engine = create_engine(database_url)
    amounts.metadata.create_all(engine)
    return engine


def test_amounts_come_back_as_they_were_on_every_database(engine: Engine) -> None:
    rows = [
        {"id": place, "fixed": Decimal(fixed), "exact": Decimal(exact)}
        for place, (fixed, exact) in enumerate(zip(FIXED, EXACT, strict=True), 1)
    ]

    with engine.begin() as connection:
        connection.execute(insert(amounts), rows)
        found = connection.execute(select(amounts).order_by(amounts.c.id)).mappings().all()

    assert [dict(row) for row in found] == rows
    assert all(isinstance(row[name], Decimal) for row in found for name in ("fixed", "exact"))


def test_sums_and_comparisons_in_the_database_are_exact(engine: Engine) -> None:
    tenths = [{"fixed": Decimal("0.1")} for _ in range(10)]

    with engine.begin() as connection:
        connection.execute(insert(amounts), [*tenths, {"fixed": Decimal("0.100001")}])
        total = connection.scalar(select(func.sum(amounts.c.fixed)))
        equal = select(func.count()).where(amounts.c.fixed == Decimal("0.1"))
        more = select(func.count()).where(amounts.c.fixed > Decimal("0.1"))
        counts = [connection.scalar(query) for query in (equal, more)]

    assert total == Decimal("1.100001")
    assert counts == [10, 1]


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("value", [0.1, 1.0, Decimal("0.0000001"), Decimal("NaN"), Decimal("inf")])
def test_what_is_not_exact_is_refused(dialect: Dialect, value: Any) -> None:
    with pytest.raises(ValueError, match=r"float was given|decimal places were given"):
        Fixed(6).process_bind_param(value, dialect)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("value", [0.1, 1, "1"])
def test_exact_amount_is_a_decimal(dialect: Dialect, value: Any) -> None:
    with pytest.raises(ValueError, match="is a Decimal"):
        ExactAmount().process_bind_param(value, dialect)


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
@pytest.mark.parametrize("kind", [Fixed(6), ExactAmount()], ids=repr)
def test_no_amount_stays_no_amount(dialect: Dialect, kind: Fixed | ExactAmount) -> None:
    assert kind.process_bind_param(None, dialect) is None
    assert kind.process_result_value(None, dialect) is None


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=DIALECTS)
def test_zeros_at_the_end_are_no_decimal_places(dialect: Dialect) -> None:
    stored = Fixed(2).process_bind_param(Decimal("12.50000"), dialect)

    assert Fixed(2).process_result_value(stored, dialect) == Decimal("12.5")


@pytest.mark.parametrize(
    ("dialect", "kind"),
    [("sqlite", "BIGINT"), ("postgresql", "NUMERIC(38, 6)"), ("mariadb", "NUMERIC(38, 6)")],
)
def test_each_database_gets_its_own_kind_of_number(dialect: str, kind: str) -> None:
    table: Any = BillingRecord.__table__

    column = str(CreateColumn(table.c.quantity).compile(dialect=DIALECTS[dialect]))

    assert column.startswith(f"quantity {kind}")


def test_amounts_of_other_places_are_not_taken_for_each_other_in_the_cache() -> None:
    values = [Decimal("1.5"), Decimal("2.25")]

    with create_engine("sqlite://").connect() as connection:
        found = [
            connection.scalar(select(literal(value, Fixed(places))))
            for value, places in zip(values, (2, 6), strict=True)
        ]

    assert found == values


def test_type_is_shown_as_a_revision_writes_it() -> None:
    assert repr(Fixed(2)) == "Fixed(2)"
