"""The discount that fits a line best, from and to its dates; then the project's own."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from flask_billing.periods import month_named
from flask_billing.pricing import DiscountFacts, Line, price
from tests.pricing.facts import DISK, JUNE, discount, june, record, terms, total


def lines(*discounts: DiscountFacts, totals: object = (), records: object = None) -> list[Line]:
    records = [record()] if records is None else records
    return price(terms(discounts=discounts), records, totals).lines


def percents(found: list[Line]) -> list[Decimal | None]:
    return [line.discount_percent for line in found]


def test_line_is_less_by_the_percent() -> None:
    [line] = lines(discount("12.5", "rate", "machine.small"))

    assert line.gross == 40_320 * Decimal("0.0003843751")
    assert line.net == line.gross * Decimal("0.875")
    assert line.amount == 1356


@pytest.mark.parametrize(
    ("discounts", "number"),
    [
        ([discount(50, "group", "machines", number=2), discount(10, "rate", "machine.small")], 1),
        ([discount(50, "rate", "machine.small"), discount(1, "resource", "1", number=2)], 2),
        ([discount(10, "group", "machines"), discount(20, "group", "machines", number=2)], 2),
        ([discount(20, "group", "machines"), discount(10, "group", "machines", number=2)], 1),
        ([discount(20, "group", "machines", number=2), discount(20, "group", "machines")], 1),
    ],
    ids=["rate before group", "resource before rate", "highest", "highest first", "oldest"],
)
def test_the_one_that_fits_best(discounts: list[DiscountFacts], number: int) -> None:
    [line] = lines(*discounts)

    assert line.discount_id
    assert line.discount_id.int == number
    assert lines(*reversed(discounts)) == [line]


@pytest.mark.parametrize(
    "other",
    [
        discount(10, "group", "disks"),
        discount(10, "rate", "machine"),
        discount(10, "resource", "2"),
        discount(10, "resource", "1")._replace(resource_type="server"),
        discount(10, "rate", "machine.small", june(1).replace(month=7)),
        discount(10, "rate", "machine.small", None, june(1)),
        discount(10, "rate", "machine.small", june(5), june(5)),
    ],
    ids=["group", "rate", "resource", "type", "later", "over", "never"],
)
def test_discount_for_something_else_changes_nothing(other: DiscountFacts) -> None:
    assert lines(other) == lines()


def test_line_is_cut_where_a_discount_begins_and_ends() -> None:
    found = lines(discount(10, "group", "machines", june(11), june(21)))

    assert percents(found) == [None, 10, None]
    assert [line.minutes for line in found] == [13_440, 13_440, 13_440]
    assert [line.started_at for line in found] == [june(1), june(11), june(21)]
    assert [line.ended_at for line in found] == [june(11), june(21), JUNE.end]


def test_less_fitting_discount_cuts_nothing_while_a_better_one_holds() -> None:
    found = lines(
        discount(10, "rate", "machine.small"),
        discount(90, "group", "machines", june(11), june(21), number=2),
    )

    assert percents(found) == [10]


def test_cut_lines_add_up_to_the_minutes_of_the_slot() -> None:
    cuts = [june(day, 7, 31, 12) for day in (3, 9, 17)]
    discounts = [
        discount(percent, "group", "machines", moment, number=number)
        for number, (percent, moment) in enumerate(zip((5, 6, 7), cuts, strict=True))
    ]

    found = lines(*discounts)

    assert percents(found) == [None, 5, 6, 7]
    assert sum(line.minutes or 0 for line in found) == 40_320


def test_discount_that_begins_before_use_cuts_nothing() -> None:
    found = lines(discount(10, "group", "machines", june(2)), records=[record(june(3), june(4))])

    assert percents(found) == [10]


def test_events_of_a_day_have_a_discount_that_is_valid_on_it() -> None:
    totals = [total(day, 100) for day in (9, 10, 11, 12)]

    found = lines(
        discount(10, "rate", "api.call", june(10, 23), june(11, 1)), totals=totals, records=[]
    )

    assert percents(found) == [None, 10, None]
    assert [line.quantity for line in found] == [100, 200, 100]
    assert [line.net for line in found] == [Decimal("0.01"), Decimal("0.018"), Decimal("0.01")]


def test_discount_that_never_held_is_not_for_events_either() -> None:
    ended_at_once = discount(10, "rate", "api.call", june(10, 12), june(10, 12))

    assert percents(lines(ended_at_once, totals=[total(10, 100)], records=[])) == [None]


@pytest.mark.parametrize("name", ["2026-03", "2026-10"])
def test_zone_of_a_discount_changes_nothing(name: str) -> None:
    month = month_named(name)
    start, end = month.start + timedelta(days=3), month.end - timedelta(hours=30)
    berlin = [moment.astimezone(ZoneInfo("Europe/Berlin")) for moment in (start, end)]

    there, here = (
        price(
            terms(period=month, discounts=[discount(10, "group", "machines", *dates)]),
            [record()],
            [],
        )
        for dates in (berlin, (start, end))
    )

    assert there == here


def test_projects_discount_comes_after_the_lines_own() -> None:
    [line] = lines(discount(50, "group", "machines"), discount(20))

    assert line.net == line.gross * Decimal("0.4")
    assert line.discount_percent == 50


@pytest.mark.parametrize(
    ("start", "end", "counts"),
    [
        (JUNE.end, None, False),
        (JUNE.end - timedelta(microseconds=1), None, True),
        (june(1), JUNE.end, True),
        (june(1), JUNE.end - timedelta(microseconds=1), False),
    ],
)
def test_projects_discount_is_judged_at_the_periods_end(
    start: object, end: object, counts: bool
) -> None:
    [line] = lines(discount(10, "project", "", start, end))

    assert (line.net < line.gross) is counts


def test_only_the_highest_discount_of_the_project_counts() -> None:
    assert lines(discount(10), discount(30, number=2)) == lines(discount(30))


def test_all_off_is_nothing_and_stays_a_line() -> None:
    priced = price(terms(discounts=[discount(100)]), [record()], [total(1, 5)])

    assert [(line.net, line.amount) for line in priced.lines] == [(0, 0), (0, 0)]
    assert (priced.gross, priced.subtotal, priced.due) == (1550, 0, 0)


def test_discounts_are_of_two_decimals_and_exact() -> None:
    [line, *_] = lines(
        discount("0.01", "rate", "disk.gb"),
        discount("33.33"),
        records=[record(rate=DISK, quantity="0.000001"), record(slot="x")],
    )

    exact = Decimal("0.000001") * 40_320 * Decimal("0.0000023149")
    assert line.gross == exact
    assert line.net == exact * Decimal("0.9999") * Decimal("0.6667")
