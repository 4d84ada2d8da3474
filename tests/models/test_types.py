"""Times are aware UTC to the microsecond, whatever the database gives back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateColumn

from flask_billing.models import PaymentMethod, UTCDateTime

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
