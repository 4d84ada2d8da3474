"""Draws what each day cost: bars for a picture without script, and the same numbers as words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple

from flask_billing.periods import Span
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext
from flask_billing.web.times import day, last_day

__all__ = ["HEIGHT", "STEP", "Bar", "Chart", "chart_of"]

#: The picture's own units: how high it is, and how wide a day with the gap beside it.
HEIGHT = 100
STEP = 12
_GAP = 2
#: The scale ends at one of these, times a power of ten: half of it is a plain number too.
_ENDS = [Decimal(end) for end in ("1", "1.2", "1.6", "2", "3", "4", "5", "6", "8", "10")]


class Bar(NamedTuple):
    """A day's bar, in the picture's own units."""

    left: int
    top: int
    width: int
    height: int
    #: What a pointer that rests on it is told.
    words: str
    is_today: bool


@dataclass(frozen=True)
class Chart:
    """The cost of each day: a picture, its scale, one sentence instead of it, and a table."""

    bars: Sequence[Bar]
    width: int
    scale: Sequence[str]
    first: str
    last: str
    summary: str
    rows: Sequence[tuple[str, str]]


def chart_of(
    days: Sequence[tuple[date, Decimal]], period: Span, until: datetime, currency: str
) -> Chart:
    """Return the chart of a period, whose days up to `until` have a cost."""
    costs = {at: cost for at, cost in days if at <= until.date()}
    first, last = period.start.date(), last_day(period)
    end = _end_of_scale(max(costs.values(), default=Decimal()))
    bars = [
        _bar((at - first).days, at, cost, end, until.date(), currency)
        for at, cost in costs.items()
        if cost > 0
    ]
    return Chart(
        bars=bars,
        width=((last - first).days + 1) * STEP,
        scale=[amounts.price(end, currency), amounts.price(end / 2, currency)] if bars else [],
        first=day(first),
        last=day(last),
        summary=_summary(costs, first, until.date(), currency),
        rows=[(day(at), amounts.precise(cost, currency)) for at, cost in costs.items()],
    )


def _bar(place: int, at: date, cost: Decimal, end: Decimal, today: date, currency: str) -> Bar:
    height = max(1, int(HEIGHT * cost / end))
    words = gettext("%(day)s: %(amount)s", day=day(at), amount=amounts.precise(cost, currency))
    return Bar(
        left=place * STEP + _GAP // 2,
        top=HEIGHT - height,
        width=STEP - _GAP,
        height=height,
        words=words,
        is_today=at == today,
    )


def _end_of_scale(most: Decimal) -> Decimal:
    if most <= 0:
        return Decimal(1)
    power = Decimal(1).scaleb(most.adjusted())
    return next(power * end for end in _ENDS if power * end >= most)


def _summary(costs: dict[date, Decimal], first: date, today: date, currency: str) -> str:
    """Return what the picture says, for who does not see it."""
    dearest = max(costs, key=lambda at: costs[at], default=None)
    if dearest is None or costs[dearest] <= 0:
        return gettext("Nothing was used up to %(day)s.", day=day(today))
    return gettext(
        "Cost of each day from %(first)s to %(last)s. The most was %(amount)s, on %(day)s.",
        first=day(first),
        last=day(today),
        amount=amounts.precise(costs[dearest], currency),
        day=day(dearest),
    )
