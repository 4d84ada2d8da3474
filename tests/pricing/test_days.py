"""The chart of a month, and what it is heading for."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest

from flask_billing.periods import Span
from flask_billing.pricing import RecordFacts, by_day, heading_for, price
from tests.pricing.facts import (
    CALL,
    JULY,
    JUNE,
    TOKEN,
    allowance,
    discount,
    june,
    rate,
    record,
    terms,
    total,
)

EVEN = rate(9, "even", "0.01", "machines")
RATES = {each.id: each for each in (CALL, TOKEN, EVEN)}


def costs(until: int, *records: RecordFacts, **changes: object) -> list[Decimal]:
    totals = changes.pop("totals", ())
    period = Span(june(1), june(until))
    found = by_day(terms(period=period, rates=RATES, **changes), records, totals)
    assert [day for day, _ in found] == [date(2026, 6, day) for day in range(1, until)]
    return [cost for _, cost in found]


def test_each_day_has_what_was_used_on_it() -> None:
    two_days = record(june(2, 12), june(4, 6), rate=EVEN)
    an_hour = record(june(5, 10), june(5, 11), rate=EVEN, slot="other", quantity=2)

    assert costs(7, two_days, an_hour) == [
        0,
        Decimal("7.2"),
        Decimal("14.4"),
        Decimal("3.6"),
        Decimal("1.2"),
        0,
    ]


def test_events_are_on_their_day() -> None:
    assert costs(4, totals=[total(1, 50), total(3, 100), total(3, 5, resource="1")]) == [
        Decimal("0.005"),
        0,
        Decimal("0.0105"),
    ]


def test_event_of_the_very_moment_at_which_a_day_begins_is_on_that_day() -> None:
    used = record(june(1), None, rate=EVEN)
    found = by_day(
        terms(period=Span(june(1), june(3)), rates=RATES), [used], [total(2, 50), total(3, 100)]
    )

    assert found == [
        (date(2026, 6, 1), Decimal("14.4")),
        (date(2026, 6, 2), Decimal("14.405")),
        (date(2026, 6, 3), Decimal("0.01")),
    ]


def test_event_that_is_ahead_is_on_the_last_day() -> None:
    period = Span(june(1), june(2, 23))

    found = by_day(terms(period=period, rates=RATES), [], [total(3, 100)])

    assert found == [(date(2026, 6, 1), 0), (date(2026, 6, 2), Decimal("0.01"))]


def test_what_is_free_costs_nothing_on_its_day() -> None:
    used = record(june(1), june(4), rate=EVEN)

    assert costs(4, used, allowances=[allowance("group", "machines", 2000)]) == [
        0,
        Decimal("8.8"),
        Decimal("14.4"),
    ]


def test_discounts_are_not_in_the_chart() -> None:
    used = record(june(1), june(3), rate=EVEN)

    assert costs(3, used, discounts=[discount(50), discount(50, "rate", "even", june(2))]) == [
        Decimal("14.4"),
        Decimal("14.4"),
    ]


def test_what_the_cap_spares_is_spared_on_each_day() -> None:
    found = by_day(terms(period=JULY, rates=RATES), [record(rate=EVEN)], [])

    assert len(found) == 31
    assert {round(cost, 10) for _, cost in found} == {round(Decimal("403.2") / 31, 10)}
    assert sum(cost for _, cost in found) == Decimal("403.2")


def test_late_usage_is_on_no_day() -> None:
    assert costs(3, totals=[total(date(2026, 5, 31), 100)]) == [0, 0]


def test_month_that_has_just_begun_has_no_days_yet() -> None:
    assert costs(1, record(rate=EVEN)) == []


def test_event_of_the_very_moment_at_which_a_month_begins_is_on_its_first_day() -> None:
    period = Span(june(1), june(1))

    found = by_day(terms(period=period, rates=RATES), [record(rate=EVEN)], [total(1, 1)])

    assert found == [(date(2026, 6, 1), Decimal("0.0001"))]


def heading(until: int, *records: RecordFacts, **changes: object) -> int:
    totals = changes.pop("totals", ())
    return heading_for(terms(rates=RATES, **changes), records, totals, june(until))


def test_what_runs_goes_on_to_the_end_of_the_month() -> None:
    running = record(june(3), None, rate=EVEN)
    ended = record(june(3), june(4), rate=EVEN, slot="other")

    assert heading(5, running, ended, cap_minutes=None) == 28 * 1440 + 1440


def test_events_go_on_at_the_average_of_the_days_so_far() -> None:
    totals = [total(1, 1000), total(4, 5000)]

    assert heading(7, totals=totals) == 300


def test_first_hours_are_not_taken_for_a_whole_day_each() -> None:
    at = june(1) + timedelta(hours=1)

    assert heading_for(terms(rates=RATES), [], [total(1, 1000)], at) == 300


@pytest.mark.parametrize("until", [JUNE.end, JUNE.end + timedelta(days=3)])
def test_at_the_end_of_the_month_it_is_the_subtotal(until: object) -> None:
    priced_terms = terms(
        rates=RATES,
        allowances=[allowance("group", "api", 70)],
        discounts=[discount(10), discount(20, "group", "machines", june(20), number=2)],
    )
    records = [record(june(3), None, rate=EVEN), record(june(1), june(3), rate=EVEN)]
    totals = [total(1, "100000.000001"), total(9, 77_777, rate=TOKEN), total(date(2026, 5, 1), 9)]

    estimate = heading_for(priced_terms, records, totals, until)

    assert estimate == price(priced_terms, records, totals).subtotal


def test_discounts_and_allowances_hold_for_the_rest_of_the_month() -> None:
    changes = {"discounts": [discount(50)], "allowances": [allowance("rate", "api.call", 10_000)]}

    assert heading(7, totals=[total(1, 6000)], **changes) == 100
