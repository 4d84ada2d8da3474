"""The running month as a chart shows it, and what it is heading for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, localcontext
from itertools import accumulate

from flask_billing.money import EXACT
from flask_billing.periods import Span
from flask_billing.pricing.facts import RecordFacts, Terms, TotalFacts, in_utc
from flask_billing.pricing.invoice import EXACTLY, by_lateness, price, usage_of
from flask_billing.pricing.slots import length_of
from flask_billing.pricing.uses import Use

__all__ = ["by_day", "heading_for"]

_DAY = timedelta(days=1)
_DAY_LENGTH = 86_400_000_000
_MICROSECOND = timedelta(microseconds=1)
_NOTHING = Decimal(0)
#: As fine as a line before discounts: six decimals of a quantity and ten of a price.
_FINE = Decimal("1e-16")
#: Of what a microsecond costs.
_FINEST = Decimal("1e-40")
_SMALLEST_QUANTITY = Decimal("0.000001")


def by_day(
    terms: Terms, records: Iterable[RecordFacts], totals: Iterable[TotalFacts]
) -> list[tuple[date, Decimal]]:
    """Return what each day of the period (in UTC) costs before discounts, in major units.

    The days add up to the gross of the usage lines; late usage is in none of them. A period that
    ends at midnight has one day more where an event happened at that moment.
    """
    days = [span.start.date() for span in terms.period.days()]
    now, _ = by_lateness(terms, totals)
    with localcontext(EXACTLY):
        used = usage_of(terms, records, now)
        last = terms.period.end.date()
        if last not in days and any(day >= last for use in used for day in use.days):
            days.append(last)
        costs = _spread([use for use in used if not use.days], days)
        for use in used:
            for day, units in use.days.items():
                # An event may be some minutes ahead of the period's end.
                costs[(min(day, last) - days[0]).days] += units * use.rate.unit_price
    return list(zip(days, costs, strict=True))


def heading_for(
    terms: Terms,
    records: Iterable[RecordFacts],
    totals: Iterable[TotalFacts],
    until: datetime,
) -> int:
    """Return an estimate of the subtotal at the period's end, in minor units.

    What runs goes on, and usage events go on at the average of the days so far.

    :param until: The moment up to which the usage is known.
    """
    now, _ = by_lateness(terms, totals)
    return price(terms, records, _going_on(now, terms.period, until)).subtotal


def _spread(used: Iterable[Use], days: list[date]) -> list[Decimal]:
    """Spread what uses cost over the time in which they ran, in steps of one for each span."""
    costs = [_NOTHING] * len(days)
    steps = [_NOTHING] * (len(days) + 1)
    total = _NOTHING
    for use in used:
        gross = (use.units - use.free) * use.rate.unit_price
        total += gross
        each = EXACT.quantize(EXACT.divide(gross, Decimal(length_of(use.spans))), _FINEST)
        for first, last, head, tail in _in_days(use.spans, days[0]):
            costs[first] += each * head
            costs[last] += each * tail
            steps[first + 1] += each
            steps[max(last, first + 1)] -= each
    if costs:
        whole = accumulate(steps[:-1])
        costs = [cost + each * _DAY_LENGTH for cost, each in zip(costs, whole, strict=True)]
        costs = [EXACT.quantize(cost, _FINE) for cost in costs]
        costs[costs.index(max(costs))] += total - sum(costs, _NOTHING)
    return costs


def _in_days(spans: Iterable[Span], origin: date) -> Iterator[tuple[int, int, int, int]]:
    """Yield the first and last day of each span, and the microseconds of it in both."""
    midnight = datetime.combine(origin, time(), UTC)
    for start, end in spans:
        first, begun = divmod((start - midnight) // _MICROSECOND, _DAY_LENGTH)
        last, ended = divmod((end - midnight) // _MICROSECOND - 1, _DAY_LENGTH)
        if first == last:
            yield first, last, ended + 1 - begun, 0
        else:
            yield first, last, _DAY_LENGTH - begun, ended + 1


def _going_on(totals: Iterable[TotalFacts], period: Span, until: datetime) -> Iterator[TotalFacts]:
    """Yield totals as they will be at the period's end; the first day is taken as a whole one."""
    known = max(in_utc(until) - period.start, _DAY)
    length = max(period.length, known)
    for total in totals:
        units = EXACT.multiply(total.quantity, length // _MICROSECOND)
        estimate = EXACT.divide(units, Decimal(known // _MICROSECOND))
        yield total._replace(quantity=EXACT.quantize(estimate, _SMALLEST_QUANTITY))
