"""From lines to what is due: one rounding, lines of their own, credit, the minimum charge."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from flask_billing.periods import Span, month_named
from flask_billing.pricing import AdjustmentFacts, CreditFacts, Priced, price
from tests.pricing.facts import (
    CALL,
    DISK,
    JULY,
    JUNE,
    LARGE,
    SMALL,
    TOKEN,
    allowance,
    discount,
    june,
    record,
    terms,
    total,
)


def adjustment(amount: int, number: int = 1) -> AdjustmentFacts:
    return AdjustmentFacts(UUID(int=number), amount)


def credit(
    remaining: int, number: int = 1, expires_at: datetime | None = None, granted: int = 1
) -> CreditFacts:
    return CreditFacts(UUID(int=number), remaining, expires_at, june(granted))


def late(day: date, quantity: str | int, **changes: Any) -> Any:
    return total(day, quantity, **changes)


def calls(cents: int, **changes: Any) -> Priced:
    """Price as many calls as cost an amount."""
    return price(terms(**changes), [], [total(3, cents * 100)])


def test_sum_is_rounded_once_and_its_units_go_where_most_was_cut_off() -> None:
    totals = [total(1, 140, resource=resource) for resource in ("1", "2", "3")]

    priced = price(terms(), [], totals)

    assert priced.subtotal == 4
    assert [line.amount for line in priced.lines] == [2, 1, 1]


@pytest.mark.parametrize(("events", "subtotal"), [(149, 1), (150, 2), (49, 0), (50, 1)])
def test_half_a_unit_is_rounded_up(events: int, subtotal: int) -> None:
    assert price(terms(), [], [total(1, events)]).subtotal == subtotal


def test_lines_come_by_group_rate_resource_and_slot() -> None:
    records = [
        record(resource="2"),
        record(resource="1", slot="spare"),
        record(resource="1"),
        record(resource="1", slot="big", rate=LARGE),
        record(resource="9", slot="disk", rate=DISK),
    ]

    priced = price(
        terms(carried=3, adjustments=[adjustment(-2)]),
        records,
        [total(1, 1, rate=TOKEN), total(1, 1), late(date(2026, 5, 31), 7)],
    )

    names = {each.id: each.name for each in (SMALL, LARGE, DISK, CALL, TOKEN)}
    assert [
        (line.kind, line.rate_id and names[line.rate_id], line.resource_id, line.slot)
        for line in priced.lines
    ] == [
        ("usage", "api.call", None, None),
        ("usage", "tokens", None, None),
        ("usage", "disk.gb", "9", "disk"),
        ("usage", "machine.large", "1", "big"),
        ("usage", "machine.small", "1", "compute"),
        ("usage", "machine.small", "1", "spare"),
        ("usage", "machine.small", "2", "compute"),
        ("late", "api.call", None, None),
        ("carried", None, None, None),
        ("adjustment", None, None, None),
    ]


def test_lines_of_a_kind_and_rate_are_summed_up_as_a_group() -> None:
    records = [record(june(1), june(2), quantity=2), record(june(5), june(6), resource="2")]

    priced = price(terms(carried=3), records, [total(1, 500), total(2, 200, resource="1")])

    assert [
        (group.kind, group.group_name, group.rate_id, group.line_count, group.quantity)
        for group in priced.groups
    ] == [
        ("usage", "api", CALL.id, 2, 700),
        ("usage", "machines", SMALL.id, 2, 3 * 1440),
        ("carried", "", None, 1, None),
    ]
    assert [group.amount for group in priced.groups] == [7, 166, 3]
    assert [group.net for group in priced.groups][::2] == [Decimal("0.07"), Decimal("0.03")]


def test_late_usage_is_a_line_for_each_month_and_not_discounted() -> None:
    totals = [
        late(date(2026, 5, 30), 10_000),
        late(date(2026, 5, 31), 10_050),
        late(date(2026, 4, 2), 10_000, resource="1"),
        total(1, 10_000),
    ]

    priced = price(
        terms(discounts=[discount(50), discount(50, "group", "api", number=2)]), [], totals
    )

    assert [
        (line.kind, line.quantity, line.amount, line.started_at and line.started_at.date())
        for line in priced.lines
    ] == [
        ("usage", 10_000, 25, date(2026, 6, 1)),
        ("late", 20_050, 201, date(2026, 5, 30)),
        ("late", 10_000, 100, date(2026, 4, 2)),
    ]
    assert (priced.subtotal, priced.adjusted, priced.due) == (25, 301, 326)


def test_late_usage_leaves_the_allowance_alone() -> None:
    priced = price(
        terms(allowances=[allowance("rate", "api.call", 100)]),
        [],
        [late(date(2026, 5, 31), 100), total(1, 100)],
    )

    assert [(line.kind, line.free_quantity) for line in priced.lines] == [
        ("usage", 100),
        ("late", 0),
    ]


def test_usage_of_the_day_on_which_a_project_began_is_not_late() -> None:
    period = Span(june(10, 15), JUNE.end)

    priced = price(terms(period=period), [], [total(10, 100)])

    assert [(line.kind, line.started_at) for line in priced.lines] == [("usage", june(10, 15))]


def test_adjustments_are_lines_in_their_order_and_not_discounted() -> None:
    priced = price(
        terms(discounts=[discount(50)], adjustments=[adjustment(70, 2), adjustment(-30, 1)]),
        [record(june(1), june(2))],
        [],
    )

    assert [(line.kind, line.amount) for line in priced.lines[1:]] == [
        ("adjustment", -30),
        ("adjustment", 70),
    ]
    assert [line.adjustment_id for line in priced.lines[1:]] == [UUID(int=1), UUID(int=2)]
    assert priced.lines[1].gross == priced.lines[1].net == Decimal("-0.30")
    assert (priced.subtotal, priced.adjusted, priced.due) == (28, 40, 68)


def test_negative_rest_becomes_credit() -> None:
    priced = calls(20, adjustments=[adjustment(-100)], credits=[credit(500)])

    assert (priced.due, priced.credit_granted, priced.credit_used) == (0, 80, 0)
    assert priced.credits_used == ()


def test_credit_that_expires_first_is_spent_first() -> None:
    granted = [
        credit(10, 1),
        credit(10, 2, JULY.end),
        credit(10, 3, JULY.start, granted=2),
        credit(10, 4, JULY.start),
        credit(0, 5, JUNE.end),
        credit(10, 6),
    ]

    priced = calls(45, credits=granted)

    assert [(spent.int, amount) for spent, amount in priced.credits_used] == [
        (4, 10),
        (3, 10),
        (2, 10),
        (1, 10),
        (6, 5),
    ]
    assert (priced.credit_used, priced.due) == (45, 0)


def test_rest_after_credit_is_due() -> None:
    priced = calls(100, credits=[credit(30)])

    assert (priced.credit_used, priced.due, priced.carried_out) == (30, 70, 0)


@pytest.mark.parametrize(
    ("cents", "below_minimum", "outcome"),
    [
        (49, "carry", (0, 49, 0)),
        (49, "waive", (0, 0, 49)),
        (50, "carry", (50, 0, 0)),
        (50, "waive", (50, 0, 0)),
    ],
)
def test_less_than_the_minimum_is_carried_or_waived(
    cents: int, below_minimum: str, outcome: tuple[int, int, int]
) -> None:
    priced = calls(cents, below_minimum=below_minimum)

    assert (priced.due, priced.carried_out, priced.waived) == outcome


def test_minimum_is_for_what_is_left_after_credit() -> None:
    priced = calls(100, credits=[credit(60)])

    assert (priced.credit_used, priced.due, priced.carried_out) == (60, 0, 40)


def test_what_was_carried_counts_towards_the_minimum() -> None:
    priced = calls(30, carried=20)

    assert (priced.subtotal, priced.carried_in, priced.due) == (30, 20, 50)
    assert [(line.kind, line.net, line.amount) for line in priced.lines[1:]] == [
        ("carried", Decimal("0.20"), 20)
    ]


def test_without_use_what_was_carried_stays_carried() -> None:
    priced = price(terms(carried=20, credits=[credit(500)], below_minimum="waive"), [], [])

    assert priced.is_empty
    assert (priced.carried_in, priced.carried_out, priced.waived) == (20, 20, 0)
    assert (priced.credit_used, priced.due, priced.lines, priced.groups) == (0, 0, [], [])


def test_adjustment_alone_is_no_empty_period() -> None:
    priced = price(terms(carried=20, adjustments=[adjustment(40)]), [], [])

    assert not priced.is_empty
    assert priced.due == 60


def test_currency_without_decimals_is_rounded_to_whole_ones() -> None:
    rates = {CALL.id: CALL._replace(currency="jpy", unit_price=Decimal("1.5"))}

    priced = price(terms(currency="jpy", rates=rates), [], [total(1, 33)])

    assert (priced.lines[0].net, priced.subtotal) == (Decimal("49.5"), 50)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (total(1, 1, rate=SMALL), "unit"),
        (total(1, -1), "quantity"),
        (late(date(2026, 5, 1), -1), "quantity"),
        (total(1, 1, counted_in=date(2026, 5, 1)), "counted_in"),
        (total(1, 1)._replace(rate_id=UUID(int=99)), "rate"),
    ],
)
def test_total_that_cannot_be_priced_is_refused_with_its_reason(wrong: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        price(terms(), [], [total(2, 1), wrong])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [({"credits": [credit(-1)]}, "credit"), ({"below_minimum": "forget"}, "below_minimum")],
)
def test_nonsense_in_the_terms_is_refused(changes: Any, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        calls(10, **changes)


def test_february_of_a_leap_year_has_its_last_day() -> None:
    month = month_named("2028-02")

    priced = price(
        terms(period=month), [], [total(date(2028, 2, 29), 100, counted_in=date(2028, 2, 1))]
    )

    assert priced.lines[0].ended_at == month.end
