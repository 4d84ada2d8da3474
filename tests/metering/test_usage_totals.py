"""The totals are the sum of the events, in whatever order and company these were told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from flask_billing import BilledProjectRow, BillingRate, UsageRow
from flask_billing.models import Usage, UsageTotal, table_of
from tests.host import Project, billing, db
from tests.metering.conftest import Time

START = datetime(2026, 5, 1, tzinfo=UTC)
NOW = datetime(2026, 7, 20, tzinfo=UTC)
CLOSED_UNTIL = datetime(2026, 7, 1, tzinfo=UTC)

Told = tuple[int, str, Decimal, str, datetime, tuple[str, str] | None]

told = st.tuples(
    st.integers(0, 1),
    st.sampled_from(["api.call", "tokens"]),
    st.decimals(Decimal("0.000001"), Decimal(10) ** 11, places=6),
    st.sampled_from([f"event-{number}" for number in range(12)]),
    # Around the edges of months and days, where a mistake would be.
    st.sampled_from(
        [date(2026, 6, 30), date(2026, 7, 1), date(2026, 5, 31), date(2026, 7, 19)]
    ).flatmap(
        lambda day: st.sampled_from([-1, 0, 1, 80_000_000_000]).map(
            lambda off: (
                datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(microseconds=off)
            )
        )
    ),
    st.sampled_from([None, ("server", "1"), ("server", "2")]),
)


@pytest.fixture(autouse=True)
def _inside(app: Flask, time: Time) -> Iterator[None]:
    time.now = NOW
    with app.app_context():
        yield
        db.session.rollback()


@given(rows=st.lists(told, max_size=24), cuts=st.sets(st.integers(0, 24)), data=st.data())
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_totals_are_the_sum_of_the_events_in_any_order(
    rows: list[Told], cuts: set[int], data: st.DataObject
) -> None:
    unique = list({(row[0], row[3]): row for row in rows}.values())
    shuffled = data.draw(st.permutations(unique + unique[:5]))
    one_way, other_way = _projects(), _projects()

    _tell(one_way, unique, {0, len(unique)})
    _tell(other_way, shuffled, {0, *cuts, len(shuffled)})

    assert _totals(one_way) == _sums_of_events(one_way) == _sums_of(unique)
    assert _totals(other_way) == _sums_of_events(other_way) == _sums_of(unique)


def _projects() -> list[str]:
    projects = [Project(name="one"), Project(name="other")]
    db.session.add_all(projects)
    db.session.flush()
    keys = [str(project.id) for project in projects]
    table = table_of(BilledProjectRow)
    for key, until in zip(keys, (START, CLOSED_UNTIL), strict=True):
        db.session.connection().execute(
            update(table).where(table.c.project_key == key).values(closed_until=until)
        )
    db.session.commit()
    return keys


def _tell(keys: list[str], rows: list[Told], cuts: set[int]) -> None:
    places = sorted(cuts)
    for start, end in pairwise(places):
        batch = [UsageRow(keys[row[0]], *row[1:]) for row in rows[start:end]]
        results = billing.record_usage_batch(batch)
        db.session.commit()
        assert {result.state for result in results} <= {"recorded", "duplicate"}


def _sums_of(rows: list[Told]) -> Counter[Any]:
    """What should come of events, reckoned from what was told."""
    sums: Counter[Any] = Counter()
    for project, rate, quantity, _, at, resource in rows:
        late = project == 1 and at < CLOSED_UNTIL
        month = (CLOSED_UNTIL if late else at).date().replace(day=1)
        sums[project, rate, month, at.date(), *(resource or ("", ""))] += _units(quantity)
    return sums


def _sums_of_events(keys: list[str]) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    usage = table_of(Usage)
    for row in db.session.execute(select(usage).where(usage.c.project_key.in_(keys))):
        place = (row.counted_in, row.used_at.date(), row.resource_type or "", row.resource_id or "")
        sums[keys.index(row.project_key), _rate(row.rate_id), *place] += _units(row.quantity)
    return sums


def _totals(keys: list[str]) -> Counter[Any]:
    sums: Counter[Any] = Counter()
    total = table_of(UsageTotal)
    for row in db.session.execute(select(total).where(total.c.project_key.in_(keys))):
        place = (row.counted_in, row.day, row.resource_type, row.resource_id)
        sums[keys.index(row.project_key), _rate(row.rate_id), *place] += _units(row.quantity)
    return sums


def _rate(rate_id: UUID) -> str:
    return db.session.get_one(BillingRate, rate_id).name


def _units(quantity: Decimal) -> int:
    return int(quantity.scaleb(6))
