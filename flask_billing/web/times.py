"""Says when something is, in the reader's language and always in UTC."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta

from babel.dates import format_interval, format_skeleton, format_timedelta

from flask_billing import clock
from flask_billing.periods import Span, month_of
from flask_billing.web.i18n import locale

__all__ = ["day", "distance", "last_day", "moment", "month", "period"]

_DAY = 24 * 60 * 60
_MONTH = 1461 * _DAY // 48
#: Years and months on average, weeks, days, hours, minutes and seconds: each in seconds.
_UNITS = (12 * _MONTH, _MONTH, 7 * _DAY, _DAY, 60 * 60, 60, 1)


def moment(at: datetime) -> str:
    """Return day and time with the zone, such as "2 Nov, 09:05:07 UTC".

    The year is left out while it is this one.
    """
    at = at.astimezone(UTC)
    day = "MMMd" if at.year == clock.now().year else "yMMMd"
    date = format_skeleton(day, at, tzinfo=UTC, locale=locale())
    time = format_skeleton("Hms", at, tzinfo=UTC, locale=locale())
    return f"{date}, {time} UTC"


def distance(at: datetime) -> str:
    """Return how far away a moment is, roughly, such as "2 hours ago" or "in 5 minutes".

    Months and years are counted when they are full: six weeks and a half are not yet two months.
    """
    seconds = math.floor((at - clock.now()).total_seconds())
    unit = next(unit for unit in _UNITS if unit <= max(abs(seconds), 1))
    count = int(seconds / unit) if unit >= _MONTH else round(seconds / unit)
    whole = timedelta(seconds=count * unit)
    return format_timedelta(whole, threshold=1, add_direction=True, locale=locale())


def day(of: date) -> str:
    """Return a day, such as "2 Nov"; the year is left out while it is this one."""
    skeleton = "MMMd" if of.year == clock.now().year else "yMMMd"
    return format_skeleton(skeleton, of, locale=locale())


def last_day(span: Span) -> date:
    """Return the last day that a span has a part of."""
    return (span.end - timedelta(microseconds=1)).astimezone(UTC).date()


def month(of: date) -> str:
    """Return what the month of a day is called, such as "October 2026"."""
    return format_skeleton("yMMMM", of, locale=locale())


def period(span: Span) -> str:
    """Return what a period is called: "October 2026", or its days where it is a part of a month."""
    first, last = span.start.astimezone(UTC).date(), last_day(span)
    if span == month_of(span.start):
        return month(first)
    if first == last:
        return format_skeleton("yMMMd", first, locale=locale())
    return format_interval(first, last, "yMMMd", locale=locale())
