"""From when and until when a discount or an allowance holds: never into what is past."""

from __future__ import annotations

from datetime import datetime

from flask_billing import clock
from flask_billing.periods import month_of

__all__ = ["check_span", "end_of"]


def check_span(valid_from: datetime | None, valid_until: datetime | None) -> datetime:
    """Return from when something holds, by default from now.

    :raises ValueError: It would begin before this month, or end before it begins.
    """
    now = clock.now()
    start = now if valid_from is None else valid_from
    for moment in (start, valid_until):
        if moment is not None and moment.tzinfo is None:
            raise ValueError("A time without a zone was given; billing keeps aware UTC only.")
    if start < month_of(now).start:
        raise ValueError(
            "It can't begin before this month: what is past does not change. Make an adjustment "
            "for that."
        )
    if valid_until is not None and valid_until <= max(start, now):
        raise ValueError("It has to end after it begins, and in the future.")
    return start


def end_of(valid_from: datetime, valid_until: datetime | None, at: datetime | None) -> datetime:
    """Return when something ends that is told to end at a moment, by default now.

    What has not begun yet ends where it would have begun.

    :raises ValueError: The moment is past, or it ends before that anyway.
    """
    now = clock.now()
    at = now if at is None else at
    if at < now:
        raise ValueError("It can't end in the past: what is past does not change.")
    if valid_until is not None and valid_until <= at:
        raise ValueError(f"It ends by itself on {valid_until:%Y-%m-%d %H:%M} (UTC).")
    return max(at, valid_from)
