"""The minutes of a slot: each moment once, rounded up once, capped, shared in whole minutes."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from flask_billing.periods import month_named
from flask_billing.pricing import price
from tests.pricing.facts import DISK, JULY, JUNE, LARGE, SMALL, june, rate, record, terms


def minutes(*records: object, **changes: object) -> list[tuple[str, Decimal | None, int | None]]:
    names = {each.id: each.name for each in (SMALL, LARGE, DISK)}
    priced = price(terms(**changes), records, [])
    return [(names[line.rate_id], line.quantity, line.minutes) for line in priced.lines]


def test_minutes_are_rounded_up_once_for_a_slot() -> None:
    pieces = [record(june(day), june(day, 0, 0, 20)) for day in (1, 2, 3, 4)]

    assert minutes(*pieces) == [("machine.small", 1, 2)]
    assert minutes(record(june(1), june(1, 0, 0, 1))) == [("machine.small", 1, 1)]
    assert minutes(record(june(1), june(1, 0, 1))) == [("machine.small", 1, 1)]


def test_a_microsecond_is_a_minute() -> None:
    used = record(june(1), june(1) + timedelta(microseconds=1))

    assert minutes(used) == [("machine.small", 1, 1)]


def test_what_overlaps_counts_once() -> None:
    assert minutes(
        record(june(1), june(1, 3)), record(june(1, 1), june(1, 2)), record(june(1, 2), june(1, 4))
    ) == [("machine.small", 1, 240)]


def test_overlap_counts_for_the_record_that_began_first() -> None:
    early = record(june(1), june(1, 2), rate=LARGE)
    late = record(june(1, 1), june(1, 3))

    assert minutes(early, late) == [("machine.large", 1, 120), ("machine.small", 1, 60)]
    assert minutes(late, early) == minutes(early, late)


def test_overlap_of_two_that_began_together_counts_for_the_cheaper() -> None:
    dear = record(june(1), june(1, 2), rate=LARGE)
    cheap = record(june(1), june(1, 1), quantity=3)

    assert minutes(dear, cheap) == [("machine.large", 1, 60), ("machine.small", 3, 60)]


def test_who_began_first_is_known_beyond_the_period() -> None:
    early = record(june(1), None, rate=LARGE)
    late = record(june(2), None)

    assert minutes(late, early, period=JULY) == [("machine.large", 1, 40_320)]


def test_slots_of_other_names_and_resources_are_counted_apart() -> None:
    records = [
        record(slot="compute"),
        record(slot="disk", rate=DISK),
        record(slot="compute", resource="2"),
    ]

    assert minutes(*records) == [
        ("disk.gb", 1, 40_320),
        ("machine.small", 1, 40_320),
        ("machine.small", 1, 40_320),
    ]


def test_cap_is_for_the_slot_and_not_for_each_record() -> None:
    resized = [record(None, june(15)), record(june(15), None, quantity=2)]

    parts = minutes(*resized)

    assert parts == [("machine.small", 1, 18_816), ("machine.small", 2, 21_504)]
    assert 18_816 + 21_504 == 40_320


def test_shares_of_the_cap_go_to_the_earlier_where_remainders_are_equal() -> None:
    halves = [record(None, june(16)), record(june(16), None, quantity=2)]

    assert [part[2] for part in minutes(*halves, cap_minutes=2001)] == [1001, 1000]


def test_a_part_without_a_whole_minute_is_no_line() -> None:
    blink = [record(None, june(16)), record(june(16), june(16, 0, 0, 1), quantity=2)]

    assert minutes(*blink, record(june(16, 0, 0, 1), None), cap_minutes=1000) == [
        ("machine.small", 1, 1000)
    ]


def test_going_back_to_a_rate_goes_on_with_its_line() -> None:
    there_and_back = [
        record(june(1), june(2)),
        record(june(2), june(3), quantity=2),
        record(june(3), june(4)),
    ]

    assert minutes(*there_and_back) == [("machine.small", 1, 2880), ("machine.small", 2, 1440)]
    first = price(terms(), there_and_back, []).lines[0]
    assert (first.started_at, first.ended_at) == (june(1), june(4))


def test_what_is_outside_of_the_period_is_left_out() -> None:
    outside = [record(june(1), july(1), slot="a"), record(july(1), None, slot="b")]

    assert minutes(*outside, period=JUNE) == [("machine.small", 1, 40_320)]
    assert minutes(*outside, period=JULY) == [("machine.small", 1, 40_320)]


def july(day: int) -> datetime:
    return june(1).replace(month=7, day=day)


def test_record_without_length_is_no_line() -> None:
    assert minutes(record(june(3), june(3))) == []


def test_running_record_costs_what_it_costs_once_it_ended_at_the_periods_end() -> None:
    running = price(terms(), [record(june(7))], [])
    ended = price(terms(), [record(june(7), JUNE.end)], [])

    assert running == ended


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kathmandu"])
@pytest.mark.parametrize("name", ["2026-03", "2026-10", "2026-11", "2028-02"])
def test_zone_of_the_host_changes_nothing(zone: str, name: str) -> None:
    month = month_named(name)
    start, end = month.start + timedelta(hours=5), month.end - timedelta(hours=30, microseconds=1)
    local = [moment.astimezone(ZoneInfo(zone)) for moment in (start, end)]

    there = price(terms(period=month, cap_minutes=None), [record(*local)], [])
    here = price(terms(period=month, cap_minutes=None), [record(start, end)], [])

    assert there == here


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        (record(rate=rate(9, "machine", "1", "machines")), "rate"),
        (record(rate=rate(4, "api.call", "1", "api")), "unit"),
        (record(quantity=-1), "quantity"),
        (record(datetime(2026, 6, 1)), "zone"),  # noqa: DTZ001
        (record(june(1), datetime(2026, 6, 2)), "zone"),  # noqa: DTZ001
    ],
)
def test_what_cannot_be_priced_is_refused_with_its_reason(changed: object, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}$"):
        price(terms(), [record(slot="fine"), changed], [])


def test_rate_of_another_currency_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^currency$"):
        price(terms(currency="eur"), [record()], [])
