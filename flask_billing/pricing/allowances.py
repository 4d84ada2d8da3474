"""What is free: used up day by day, the dearest use of a day first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from flask_billing.money import share
from flask_billing.periods import Span
from flask_billing.pricing.facts import AllowanceFacts, RateFacts
from flask_billing.pricing.uses import Use

__all__ = ["use_up"]

_BEGINNING = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_DAY = 86_400_000_000
_SCOPES = ("rate", "group")


def use_up(allowances: Sequence[AllowanceFacts], uses: Iterable[Use]) -> None:
    """Make of each use free what an allowance covers; one of its rate goes before its group's.

    :param uses: In the order of the lines; of uses that cost the same on a day, the first is free.
    """
    if not allowances:
        return
    left = [allowance.quantity for allowance in allowances]
    claims: dict[date, list[tuple[Use, list[int]]]] = {}
    for use in sorted(uses, key=lambda use: use.rate.unit_price, reverse=True):
        if places := _fitting(allowances, use.rate):
            use.days = use.days or _days_of(use)
            for day in use.days:
                claims.setdefault(day, []).append((use, places))
    for day in sorted(claims):
        for use, places in claims[day]:
            _take(left, places, use, day)


def _take(left: list[Decimal], places: Iterable[int], use: Use, day: date) -> None:
    """Take from allowances what a use claims of a day."""
    for place in places:
        taken = min(left[place], use.days[day])
        if taken:
            left[place] -= taken
            use.days[day] -= taken
            use.free += taken


def _fitting(allowances: Sequence[AllowanceFacts], rate: RateFacts) -> list[int]:
    return [
        place
        for scope, target in zip(_SCOPES, (rate.name, rate.group), strict=True)
        for place, allowance in enumerate(allowances)
        if allowance.scope == scope and allowance.target == target
    ]


def _days_of(use: Use) -> dict[date, Decimal]:
    """Share the minutes of a use over its days."""
    lengths = _lengths(use.spans)
    minutes = share(use.minutes or 0, list(lengths.values()))
    return {
        date.fromordinal(day): use.quantity * part
        for day, part in zip(lengths, minutes, strict=True)
    }


def _lengths(spans: Iterable[Span]) -> dict[int, int]:
    """Return the microseconds of each day in UTC, by the day's ordinal."""
    lengths: dict[int, int] = {}
    for start, end in spans:
        moment, stop = ((each - _BEGINNING) // _MICROSECOND for each in (start, end))
        while moment < stop:
            day = moment // _DAY + 1
            until = min(day * _DAY, stop)
            lengths[day] = lengths.get(day, 0) + until - moment
            moment = until
    return lengths
