"""Spans are half-open, and a month is one of UTC wherever the host is."""

from __future__ import annotations

import calendar
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_billing.periods import (
    MINUTE,
    Span,
    month_named,
    month_of,
    months,
    name_of,
    whole_minutes,
)

MICROSECOND = timedelta(microseconds=1)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(2024, 1, 2), datetime(2032, 12, 30)).map(  # noqa: DTZ001
    lambda naive: naive.replace(tzinfo=UTC)
)
spans = st.tuples(moments, moments).map(lambda ends: Span(min(ends), max(ends)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(moment=moments, zone=zones)
@settings(max_examples=100)
def test_month_holds_its_moment_and_is_the_same_in_any_zone(
    moment: datetime, zone: timezone
) -> None:
    month = month_of(moment.astimezone(zone))

    assert month == month_of(moment)
    assert month.start <= moment < month.end
    assert month.start.tzinfo is UTC
    assert month.length.days == calendar.monthrange(moment.year, moment.month)[1]


@pytest.mark.parametrize(
    ("moment", "start", "end"),
    [
        ("2026-02-28T23:59:59.999999", "2026-02-01", "2026-03-01"),
        ("2026-03-01", "2026-03-01", "2026-04-01"),
        ("2028-02-29T12:00", "2028-02-01", "2028-03-01"),
        ("2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        ("2027-01-01", "2027-01-01", "2027-02-01"),
    ],
)
def test_month_begins_at_midnight_in_utc_and_ends_where_the_next_begins(
    moment: str, start: str, end: str
) -> None:
    assert month_of(at(moment)) == (at(start), at(end))


def test_last_hour_of_a_month_in_tokyo_is_of_the_month_in_utc() -> None:
    tokyo = timezone(timedelta(hours=9))

    month = month_of(datetime(2026, 7, 1, 8, 59, tzinfo=tokyo))

    assert month == month_named("2026-06")


def test_moment_without_a_zone_has_no_month() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        month_of(datetime(2026, 3, 1))  # noqa: DTZ001 - what is tested


def test_months_of_a_long_silence_come_in_order_and_the_first_is_cut() -> None:
    found = list(months(at("2026-01-20T10:30"), at("2026-04-01")))

    assert found == [
        Span(at("2026-01-20T10:30"), at("2026-02-01")),
        month_named("2026-02"),
        month_named("2026-03"),
    ]


@pytest.mark.parametrize("end", ["2026-02-01", "2026-02-28T23:59:59.999999", "2025-12-01"])
def test_month_that_has_not_ended_is_not_among_them(end: str) -> None:
    assert list(months(at("2026-02-01"), at(end))) == []


@given(start=moments, length=st.integers(0, 900).map(lambda days: timedelta(days=days)))
@settings(max_examples=60)
def test_months_follow_each_other_without_gap_up_to_the_last_that_has_ended(
    start: datetime, length: timedelta
) -> None:
    end = start + length

    found = list(months(start, end))

    edges = [start, *(month.end for month in found)]
    assert [Span(*pair) for pair in pairwise(edges)] == found
    assert month_of(edges[-1]).end > end
    assert all(month.end == month_of(month.start).end for month in found)


@pytest.mark.parametrize("name", ["2026-01", "2026-12", "2028-02", "2999-11"])
def test_month_is_called_by_year_and_number(name: str) -> None:
    month = month_named(name)

    assert name_of(month) == name
    assert month == month_of(month.start)
    assert name_of(Span(month.start + MINUTE, month.end)) == name


@pytest.mark.parametrize(
    "name",
    ["", "2026", "2026-13", "2026-00", "2026-1", "26-01", "1999-12", "2026-01-01", "202٣-03"],
)
def test_other_text_is_no_month(name: str) -> None:
    with pytest.raises(ValueError, match="Write it as in 2026-10"):
        month_named(name)


def test_long_text_that_is_no_month_is_not_repeated_in_full() -> None:
    with pytest.raises(ValueError, match="is no month") as refused:
        month_named("x" * 1000)

    assert len(str(refused.value)) < 100


@given(span=spans, cuts=st.lists(moments, max_size=8))
@settings(max_examples=100)
def test_cut_span_adds_up_to_the_whole(span: Span, cuts: list[datetime]) -> None:
    parts = list(span.cut(cuts))

    assert sum((part.length for part in parts), timedelta()) == span.length
    assert all(left.end == right.start for left, right in pairwise(parts))
    assert not any(part.is_empty for part in parts)
    assert not any(part.start < moment < part.end for part in parts for moment in cuts)
    if parts:
        assert (parts[0].start, parts[-1].end) == span


@given(span=spans)
@settings(max_examples=40)
def test_days_add_up_to_the_whole_and_change_at_midnight(span: Span) -> None:
    short = Span(span.start, min(span.end, span.start + timedelta(days=70)))

    days = list(short.days())

    assert sum((day.length for day in days), timedelta()) == short.length
    assert all(day.start.date() == (day.end - MICROSECOND).date() for day in days)
    assert all(right.start.time() == at("2026-01-01").time() for right in days[1:])


@given(one=spans, other=spans)
@settings(max_examples=100)
def test_overlap_is_what_both_hold(one: Span, other: Span) -> None:
    common = one.overlap(other)

    assert common == other.overlap(one)
    for moment in (*one, *other):
        both = one.start <= moment < one.end and other.start <= moment < other.end
        assert (common.start <= moment < common.end) is both


def test_spans_that_touch_have_nothing_in_common() -> None:
    june, july = month_named("2026-06"), month_named("2026-07")

    assert june.overlap(july).is_empty
    assert june.overlap(july).length == timedelta()
    assert Span(july.end, june.start).length == timedelta()


@pytest.mark.parametrize(
    ("length", "minutes"),
    [
        (timedelta(), 0),
        (MICROSECOND, 1),
        (MINUTE - MICROSECOND, 1),
        (MINUTE, 1),
        (MINUTE + MICROSECOND, 2),
        (timedelta(days=28), 40_320),
        (timedelta(days=31), 44_640),
        (timedelta(days=36_500, microseconds=1), 52_560_001),
    ],
)
def test_minute_that_was_begun_counts(length: timedelta, minutes: int) -> None:
    assert whole_minutes(length) == minutes
