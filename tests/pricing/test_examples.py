"""The worked examples come out exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from flask_billing.periods import month_named
from flask_billing.pricing import CreditFacts, price
from tests.pricing.facts import (
    CALL,
    JUNE,
    SMALL,
    TOKEN,
    allowance,
    june,
    rate,
    record,
    terms,
    total,
)


@pytest.mark.parametrize(
    ("start", "end", "minutes", "subtotal"),
    [
        (None, None, 40_320, 3100),
        (june(6), None, 36_000, 2768),
        (None, june(16), 21_600, 1661),
    ],
    ids=["all of June", "from the 6th on", "the first 15 days"],
)
def test_two_units_in_june(
    start: datetime | None, end: datetime | None, minutes: int, subtotal: int
) -> None:
    priced = price(terms(), [record(start, end, quantity=2)], [])

    assert [line.minutes for line in priced.lines] == [minutes]
    assert (priced.subtotal, priced.due) == (subtotal, subtotal)


def test_two_records_of_fifteen_days_each_are_one_line() -> None:
    records = [record(june(1), june(16), quantity=2), record(june(16), None, quantity=2)]

    priced = price(terms(), records, [])

    assert [(line.minutes, line.amount) for line in priced.lines] == [(40_320, 3100)]
    assert (priced.lines[0].started_at, priced.lines[0].ended_at) == JUNE


def test_cap_is_shared_when_the_rate_changes_within_the_slot() -> None:
    july = month_named("2026-07")
    versions = [rate(number, "machine", f"0.000{number}", "machines") for number in (1, 2, 3)]
    changes = [july.start + timedelta(minutes=passed) for passed in (0, 20_000, 40_000)]
    records = [
        record(start, end, rate=version)
        for version, start, end in zip(versions, changes, [*changes[1:], None], strict=True)
    ]

    priced = price(terms(period=july, rates={each.id: each for each in versions}), records, [])

    assert [line.minutes for line in priced.lines] == [18_065, 18_064, 4_191]


def test_tokens_below_the_minimum_are_carried() -> None:
    priced = price(
        terms(allowances=[allowance("rate", "tokens", 500_000)]),
        [],
        [total(3, 400_000, rate=TOKEN), total(8, 200_000, rate=TOKEN)],
    )

    assert priced.lines[0].gross == Decimal("0.005")
    assert (priced.subtotal, priced.due, priced.carried_out) == (1, 0, 1)


def test_credit_is_used_in_whole_minor_units() -> None:
    credit = CreditFacts(UUID(int=1), 5000, None, june(1))

    priced = price(terms(credits=[credit]), [record(quantity=2)], [])

    assert priced.lines[0].net == Decimal("30.996008064")
    assert (priced.credit_used, priced.due) == (3100, 0)
    assert priced.credits_used == [(credit.id, 3100)]


@pytest.mark.parametrize("name", ["2026-01", "2026-02", "2026-06", "2026-12", "2028-02"])
def test_every_month_costs_the_same(name: str) -> None:
    priced = price(terms(period=month_named(name)), [record(datetime(2025, 1, 1, tzinfo=UTC))], [])

    assert [(line.minutes, line.amount) for line in priced.lines] == [(40_320, 1550)]


@pytest.mark.parametrize(
    ("name", "minutes"), [("2026-02", 40_320), ("2028-02", 41_760), ("2026-07", 44_640)]
)
def test_without_a_cap_a_month_is_as_long_as_it_is(name: str, minutes: int) -> None:
    priced = price(terms(period=month_named(name), cap_minutes=None), [record()], [])

    assert [line.minutes for line in priced.lines] == [minutes]


def test_usage_events_are_priced_by_their_number() -> None:
    totals = [total(1, 12_345), total(30, "0.5"), total(2, 10_000, resource="7")]

    priced = price(terms(), [record(rate=SMALL)], totals)

    calls = [line for line in priced.lines if line.rate_id == CALL.id]
    assert [(line.quantity, line.gross, line.resource_id) for line in calls] == [
        (Decimal("12345.5"), Decimal("1.23455"), None),
        (Decimal(10_000), Decimal(1), "7"),
    ]
