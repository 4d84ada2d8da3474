"""Half-open spans of time, and the months that are billed: calendar months in UTC."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

__all__ = ["MINUTE", "Span", "month_named", "month_of", "months", "name_of", "whole_minutes"]

MINUTE = timedelta(minutes=1)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE_IN_MICROSECONDS = 60_000_000


class Span(NamedTuple):
    """From `start` up to, and without, `end`; both are aware UTC."""

    start: datetime
    end: datetime

    @property
    def is_empty(self) -> bool:
        """Whether no moment is in it."""
        return self.end <= self.start

    @property
    def length(self) -> timedelta:
        """How long it is; nothing where it is empty."""
        return max(self.end - self.start, timedelta())

    def overlap(self, other: Span) -> Span:
        """Return what both have in common; empty where that is nothing."""
        return Span(max(self.start, other.start), min(self.end, other.end))

    def cut(self, moments: Iterable[datetime]) -> Iterator[Span]:
        """Yield the span in order, cut at those of `moments` that lie inside."""
        start = self.start
        for moment in sorted(set(moments)):
            if start < moment < self.end:
                yield Span(start, moment)
                start = moment
        if start < self.end:
            yield Span(start, self.end)

    def days(self) -> Iterator[Span]:
        """Yield the span in order, cut at midnight in UTC."""
        start = self.start
        while start < self.end:
            midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
            end = min(midnight + timedelta(days=1), self.end)
            yield Span(start, end)
            start = end


def month_of(moment: datetime) -> Span:
    """Return the month in UTC that holds a moment, which may be in any zone.

    :raises ValueError: The moment is naive.
    """
    if moment.tzinfo is None:
        raise ValueError("A time without a zone was given; months are in UTC.")
    first = moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return Span(first, (first + timedelta(days=32)).replace(day=1))


def months(start: datetime, end: datetime) -> Iterator[Span]:
    """Yield the months from `start` on that have ended by `end`, in order.

    The first is cut at `start`, where that is no month's beginning.
    """
    while (month := month_of(start)).end <= end:
        yield Span(start, month.end)
        start = month.end


def month_named(name: str) -> Span:
    """Return the month that is written as in ``2026-10``.

    :raises ValueError: It is no month.
    """
    if not re.fullmatch(r"2[0-9]{3}-(0[1-9]|1[0-2])", name):
        raise ValueError(f"{name[:40]!r} is no month. Write it as in 2026-10.")
    return month_of(datetime(int(name[:4]), int(name[5:]), 1, tzinfo=UTC))


def name_of(span: Span) -> str:
    """Return the month of a span as in ``2026-10``."""
    return f"{span.start:%Y-%m}"


def whole_minutes(length: timedelta) -> int:
    """Return a length in minutes, rounded up."""
    return -(-(length // _MICROSECOND) // _MINUTE_IN_MICROSECONDS)
