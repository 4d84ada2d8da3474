"""The minutes of a slot: each moment once, rounded up once, capped, shared over its parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from flask_billing.money import share
from flask_billing.periods import Span
from flask_billing.pricing.facts import RateFacts, RecordFacts, Terms, in_utc

__all__ = ["Part", "length_of", "parts_of"]

_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60_000_000


class Part(NamedTuple):
    """What a slot used at one rate and quantity: the spans that count for it, and its minutes.

    Beside others, a short part may have got no whole minute.
    """

    rate: RateFacts
    quantity: Decimal
    spans: list[Span]
    minutes: int


class _Run(NamedTuple):
    """Unbroken use at one rate and quantity."""

    start: datetime
    end: datetime
    rate: RateFacts
    quantity: Decimal

    @property
    def part(self) -> tuple[UUID, Decimal]:
        """What makes it the same use as another run's."""
        return (self.rate.id, self.quantity)


def parts_of(records: Sequence[RecordFacts], terms: Terms) -> list[Part]:
    """Return what a slot used in the period, in the order of first use.

    Of two records that overlap, the moment counts for the one whose use at the same rate and
    quantity began first; of two that began together, for the cheaper.

    :param records: All of one slot of one resource.
    :raises ValueError: A record can't be priced; its message is one word that says why.
    """
    runs = [_run(record, terms) for record in records]
    if len(runs) > 1:
        return _shared(_each_moment_once(_joined(runs)), terms)
    start, end, rate, quantity = runs[0]
    span = _within(start, end, terms.period)
    return [] if span is None else [Part(rate, quantity, [span], _minutes([span], terms))]


def length_of(spans: Iterable[Span]) -> int:
    """Return how long spans are together, in microseconds."""
    return sum([(end - start) // _MICROSECOND for start, end in spans])


def _run(record: RecordFacts, terms: Terms) -> _Run:
    if record.quantity < 0:
        raise ValueError("quantity")
    start = in_utc(record.started_at)
    end = terms.period.end if record.ended_at is None else in_utc(record.ended_at)
    return _Run(start, end, terms.rate(record.rate_id, "minute"), record.quantity)


def _joined(runs: Iterable[_Run]) -> list[_Run]:
    """Join what goes on without a break, so that where a record was cut changes nothing."""
    joined: list[_Run] = []
    for run in sorted(runs, key=lambda run: (run.part, run.start)):
        last = joined[-1] if joined else None
        if last and last.part == run.part and run.start <= last.end:
            joined[-1] = last._replace(end=max(last.end, run.end))
        else:
            joined.append(run)
    return joined


def _each_moment_once(runs: Iterable[_Run]) -> list[_Run]:
    """Leave each run what no run has that began before it."""
    counted: list[_Run] = []
    for run in sorted(runs, key=_by_beginning):
        start = max(run.start, counted[-1].end) if counted else run.start
        if start < run.end:
            counted.append(run._replace(start=start))
    return counted


def _by_beginning(run: _Run) -> tuple[datetime, Decimal, tuple[UUID, Decimal]]:
    return (run.start, run.rate.unit_price * run.quantity, run.part)


def _shared(runs: Iterable[_Run], terms: Terms) -> list[Part]:
    """Put together what runs of the same rate and quantity have in the period, and its minutes."""
    found: dict[tuple[UUID, Decimal], tuple[RateFacts, Decimal, list[Span]]] = {}
    for run in runs:
        span = _within(run.start, run.end, terms.period)
        if span is not None:
            found.setdefault(run.part, (run.rate, run.quantity, []))[2].append(span)
    parts = list(found.values())
    minutes = _minutes([span for _, _, spans in parts for span in spans], terms)
    shares = share(minutes, [length_of(spans) for _, _, spans in parts])
    return [Part(*part, got) for part, got in zip(parts, shares, strict=True)]


def _within(start: datetime, end: datetime, period: Span) -> Span | None:
    span = Span(max(start, period.start), min(end, period.end))
    return None if span.is_empty else span


def _minutes(spans: Iterable[Span], terms: Terms) -> int:
    minutes = -(-length_of(spans) // _MINUTE)
    return minutes if terms.cap_minutes is None else min(minutes, terms.cap_minutes)
