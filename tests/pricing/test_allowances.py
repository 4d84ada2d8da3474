"""What is free is used up day by day, the dearest use of a day first."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from flask_billing.pricing import Line, price
from tests.pricing.facts import (
    CALL,
    LARGE,
    TOKEN,
    allowance,
    discount,
    june,
    record,
    terms,
    total,
)


def lines(*allowances: Any, records: Any = (), totals: Any = (), **changes: Any) -> list[Line]:
    return price(terms(allowances=allowances, **changes), records, totals).lines


def free(found: list[Line]) -> list[Decimal | None]:
    return [line.free_quantity for line in found]


def test_events_are_free_up_to_the_allowance() -> None:
    [line] = lines(allowance("rate", "api.call", 250), totals=[total(1, 100), total(9, 300)])

    assert (line.quantity, line.free_quantity) == (400, 250)
    assert line.gross == Decimal("0.015")


def test_minutes_are_free_in_units() -> None:
    [line] = lines(allowance("rate", "machine.small", 1000), records=[record(quantity=3)])

    assert (line.minutes, line.free_quantity) == (40_320, 1000)
    assert line.gross == (3 * 40_320 - 1000) * Decimal("0.0003843751")


def test_free_comes_after_the_cap() -> None:
    [line] = lines(allowance("rate", "machine.small", 40_320), records=[record()])

    assert (line.free_quantity, line.gross, line.amount) == (40_320, 0, 0)


def test_never_more_is_free_than_was_used() -> None:
    found = lines(
        allowance("rate", "api.call", 250),
        allowance("group", "api", 250),
        totals=[total(1, 100), total(2, 1)],
    )

    assert free(found) == [101]


def test_earlier_day_is_free_first() -> None:
    found = lines(
        allowance("group", "api", 100),
        totals=[total(2, 80), total(1, 90, rate=TOKEN)],
    )

    assert [(line.rate_id, line.free_quantity) for line in found] == [
        (CALL.id, 10),
        (TOKEN.id, 90),
    ]


def test_dearest_use_of_a_day_is_free_first() -> None:
    found = lines(
        allowance("group", "api", 100),
        totals=[total(1, 90, rate=TOKEN), total(1, 80)],
    )

    assert [(line.rate_id, line.free_quantity) for line in found] == [
        (CALL.id, 80),
        (TOKEN.id, 20),
    ]


def test_of_uses_that_cost_the_same_the_first_line_is_free_first() -> None:
    found = lines(
        allowance("group", "machines", 2000),
        records=[record(june(1), june(2), resource=resource) for resource in ("2", "1")],
    )

    assert [(line.resource_id, line.free_quantity) for line in found] == [("1", 1440), ("2", 560)]


def test_use_over_days_is_free_a_day_at_a_time() -> None:
    dear_but_late = record(june(2), june(4), rate=LARGE, resource="2")
    cheap = record(june(1), june(3))

    found = lines(allowance("group", "machines", 2000), records=[dear_but_late, cheap])

    assert [(line.rate_id == LARGE.id, line.free_quantity) for line in found] == [
        (True, 560),
        (False, 1440),
    ]


def test_capped_minutes_are_shared_over_their_days() -> None:
    early = record(june(1), june(2), resource="1")
    whole = record(resource="2")

    found = lines(allowance("rate", "machine.small", 1440 + 1344 + 5), records=[early, whole])

    assert free(found) == [1440, 1349]


def test_allowance_of_the_rate_is_used_before_that_of_its_group() -> None:
    found = lines(
        allowance("group", "api", 100),
        allowance("rate", "api.call", 100),
        totals=[total(1, 100), total(2, 100, rate=TOKEN)],
    )

    assert free(found) == [100, 100]


def test_several_allowances_add_up() -> None:
    found = lines(
        allowance("rate", "api.call", 100),
        allowance("rate", "api.call", "20.5"),
        totals=[total(1, 200)],
    )

    assert free(found) == [Decimal("120.5")]


def test_allowance_of_something_else_changes_nothing() -> None:
    totals = [total(1, 200)]

    found = lines(
        allowance("rate", "api", 100),
        allowance("group", "api.call", 100),
        allowance("group", "machines", 100),
        totals=totals,
    )

    assert found == lines(totals=totals)


def test_free_comes_before_discounts() -> None:
    found = lines(
        allowance("rate", "api.call", 150),
        totals=[total(10, 100), total(20, 100)],
        discounts=[discount(50, "group", "api", june(15))],
    )

    assert free(found) == [100, 50]
    assert [line.net for line in found] == [0, Decimal("0.0025")]
