"""From records and totals to uses: what becomes a line each, before anything is free."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from uuid import UUID

from flask_billing.money import share
from flask_billing.periods import Span
from flask_billing.pricing.discounts import LineDiscounts, Window, best
from flask_billing.pricing.facts import (
    DiscountFacts,
    RateFacts,
    RecordFacts,
    Terms,
    TotalFacts,
)
from flask_billing.pricing.slots import Part, length_of, parts_of

__all__ = ["Use", "late_uses", "uses"]

_DAY = timedelta(days=1)
_NOTHING = Decimal(0)


@dataclass(slots=True)
class Use:
    """Use at one rate, with the one discount that fits it best.

    :ivar units: Quantity times minutes, or events.
    :ivar free: How many of the units an allowance makes free.
    :ivar days: The units of each day that are not free: of events, and of what may be free.
    """

    rate: RateFacts
    resource_type: str
    resource_id: str
    slot: str
    quantity: Decimal
    minutes: int | None
    units: Decimal
    spans: list[Span]
    discount: DiscountFacts | None = None
    free: Decimal = _NOTHING
    days: dict[date, Decimal] = field(default_factory=dict)

    @property
    def order(self) -> tuple[str, str, str, str, str, datetime, UUID]:
        """Where its line is on the invoice."""
        rate = self.rate
        return (
            rate.group,
            rate.name,
            self.resource_type,
            self.resource_id,
            self.slot,
            self.spans[0].start,
            rate.id,
        )


def uses(terms: Terms, records: Iterable[RecordFacts], totals: Iterable[TotalFacts]) -> list[Use]:
    """Return what was used in the period, in the order of the lines.

    :param totals: Without those that came late.
    :raises ValueError: Something can't be priced; its message is one word that says why.
    """
    discounts = LineDiscounts(terms.discounts, terms.period)
    found = [*_of_records(terms, records, discounts), *_of_totals(terms, totals, discounts)]
    found.sort(key=lambda use: use.order)
    return found


def late_uses(terms: Terms, totals: Iterable[TotalFacts]) -> list[Use]:
    """Return usage of months that were closed already, apart for each month."""
    found: dict[tuple[date, UUID, str, str], Use] = {}
    for total in sorted(totals, key=lambda total: total.day):
        rate = _rate_of(total, terms)
        key = (total.day.replace(day=1), rate.id, total.resource_type, total.resource_id)
        _add(found.setdefault(key, _use_of(total, rate)), total, _day(total.day))
    return sorted(found.values(), key=lambda use: use.order)


def _of_records(
    terms: Terms, records: Iterable[RecordFacts], discounts: LineDiscounts
) -> Iterator[Use]:
    slots: dict[tuple[str, str, str], list[RecordFacts]] = {}
    for record in records:
        slots.setdefault(record[:3], []).append(record)
    for slot, found in slots.items():
        for part in parts_of(found, terms):
            if discounts:
                windows = discounts.windows(part.rate, slot[0], slot[1])
                for piece, discount in _cut(part, windows):
                    yield _use_of_slot(slot, piece, discount)
            elif part.minutes:
                yield _use_of_slot(slot, part, None)


def _use_of_slot(slot: tuple[str, str, str], part: Part, discount: DiscountFacts | None) -> Use:
    rate, quantity, spans, minutes = part
    return Use(rate, *slot, quantity, minutes, quantity * minutes, spans, discount)


def _cut(part: Part, windows: list[Window]) -> Iterator[tuple[Part, DiscountFacts | None]]:
    """Share the minutes of a part over the windows in which it was used."""
    pieces = [_overlaps(part.spans, window.span) for window in windows]
    shares = share(part.minutes, [length_of(spans) for spans in pieces])
    for window, spans, minutes in zip(windows, pieces, shares, strict=True):
        if minutes:
            yield part._replace(spans=spans, minutes=minutes), window.discount


def _overlaps(spans: Iterable[Span], window: Span) -> list[Span]:
    overlaps = (span.overlap(window) for span in spans)
    return [span for span in overlaps if not span.is_empty]


def _of_totals(
    terms: Terms, totals: Iterable[TotalFacts], discounts: LineDiscounts
) -> Iterator[Use]:
    latest: dict[tuple[UUID, str, str], Use] = {}
    for total in sorted(totals, key=lambda total: total.day):
        rate, day = _rate_of(total, terms), _day(total.day)
        key = (rate.id, total.resource_type, total.resource_id)
        discount = best(discounts.fitting(rate, *key[1:]), day)
        use = latest.get(key)
        if use is None or use.discount is not discount:
            use = latest[key] = _use_of(total, rate, discount)
            yield use
        _add(use, total, Span(*(_clamped(moment, terms.period) for moment in day)))


def _rate_of(total: TotalFacts, terms: Terms) -> RateFacts:
    if total.counted_in != terms.period.start.date().replace(day=1):
        raise ValueError("counted_in")
    if total.quantity < 0:
        raise ValueError("quantity")
    return terms.rate(total.rate_id, "count")


def _use_of(total: TotalFacts, rate: RateFacts, discount: DiscountFacts | None = None) -> Use:
    return Use(
        rate,
        total.resource_type,
        total.resource_id,
        slot="",
        quantity=_NOTHING,
        minutes=None,
        units=_NOTHING,
        spans=[],
        discount=discount,
    )


def _add(use: Use, total: TotalFacts, span: Span) -> None:
    """Add a day's events to a use."""
    use.quantity += total.quantity
    use.units = use.quantity
    use.days[total.day] = use.days.get(total.day, _NOTHING) + total.quantity
    use.spans = [Span(use.spans[0].start if use.spans else span.start, span.end)]


def _day(day: date) -> Span:
    start = datetime.combine(day, time(), UTC)
    return Span(start, start + _DAY)


def _clamped(moment: datetime, period: Span) -> datetime:
    return min(max(moment, period.start), period.end)
