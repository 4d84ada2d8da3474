"""The money rules once more, as slowly and plainly as can be: tick by tick, in fractions.

A tick is 22.5 minutes, so that minutes have to be rounded. All moments lie between ticks.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, time, timedelta
from fractions import Fraction
from itertools import groupby
from math import ceil, floor
from typing import Any, NamedTuple

from flask_billing.pricing import DiscountFacts, RateFacts, RecordFacts, Terms, TotalFacts

TICK = timedelta(minutes=22.5)
SPECIFIC = ["resource", "rate", "group"]


class ModelLine(NamedTuple):
    """What is compared of a line."""

    kind: str
    resource: tuple[str, str, str]
    rate: str
    quantity: Fraction
    minutes: int | None
    free: Fraction
    discount: int | None
    start: datetime
    end: datetime
    gross: Fraction
    net: Fraction
    amount: int


class Claim(NamedTuple):
    """Use before anything is free, with its units by day."""

    resource: tuple[str, str, str]
    rate: RateFacts
    quantity: Fraction
    minutes: int | None
    days: dict[int, Fraction]
    discount: DiscountFacts | None
    start: datetime
    end: datetime


def fair(total: int, weights: list[Fraction]) -> list[int]:
    """Share by largest remainder, giving one after the other."""
    exact = [Fraction(total) * weight / sum(weights) for weight in weights]
    shares = [floor(each) for each in exact]
    while sum(shares) < total:
        rests = [each - share for each, share in zip(exact, shares, strict=True)]
        shares[rests.index(max(rests))] += 1
    return shares


def moment(terms: Terms, tick: int) -> datetime:
    return terms.period.start + tick * TICK


def ticks(terms: Terms) -> range:
    return range((terms.period.end - terms.period.start) // TICK)


def day_of(terms: Terms, tick: int) -> int:
    return (moment(terms, tick).date() - terms.period.start.date()).days


def best(
    terms: Terms, rate: RateFacts, resource: tuple[str, str, str], start: datetime, end: datetime
) -> DiscountFacts | None:
    """The best discount that is valid at some moment between two."""
    fitting = []
    for each in terms.discounts:
        fits = {
            "project": False,
            "resource": (each.resource_type, each.target) == resource[:2],
            "rate": each.target == rate.name,
            "group": each.target == rate.group,
        }[each.scope]
        until = each.valid_until or datetime.max.replace(tzinfo=UTC)
        if fits and max(each.valid_from, start) < min(until, end):
            fitting.append((SPECIFIC.index(each.scope), -each.percent, each.id, each))
    return min(fitting)[-1] if fitting else None


def owners(terms: Terms, records: list[RecordFacts]) -> dict[int, tuple[RateFacts, Fraction]]:
    """Whose each tick of a slot is: the use at one rate and quantity that began first."""
    running: dict[tuple[RateFacts, Fraction], set[int]] = defaultdict(set)
    for record in records:
        end = record.ended_at or terms.period.end
        first, last = ((each - terms.period.start) // TICK for each in (record.started_at, end))
        part = (terms.rates[record.rate_id], Fraction(record.quantity))
        running[part] |= set(range(first, last))
    owner = {}
    for tick in ticks(terms):
        claims = []
        for (rate, quantity), when in running.items():
            if tick in when:
                begun = tick
                while begun - 1 in when:
                    begun -= 1
                cost = Fraction(rate.unit_price) * quantity
                claims.append((begun, cost, rate.id, quantity, rate))
        if claims:
            *_, quantity, rate = min(claims)
            owner[tick] = (rate, quantity)
    return owner


def of_slot(
    terms: Terms, resource: tuple[str, str, str], records: list[RecordFacts]
) -> list[Claim]:
    owner = owners(terms, records)
    parts = list(dict.fromkeys(owner.values()))
    if not parts:
        return []
    minutes = ceil(Fraction(len(owner) * 45, 2))
    minutes = minutes if terms.cap_minutes is None else min(minutes, terms.cap_minutes)
    weights = [Fraction(sum(each == part for each in owner.values())) for part in parts]
    claims = []
    for part, part_minutes in zip(parts, fair(minutes, weights), strict=True):
        mine = [tick for tick in owner if owner[tick] == part]
        windows = [
            {tick for tick, _ in window}
            for _, window in groupby(
                (
                    (tick, best(terms, part[0], resource, *span(terms, tick, tick)))
                    for tick in ticks(terms)
                ),
                key=lambda each: each[1],
            )
        ]
        pieces = [[tick for tick in mine if tick in window] for window in windows]
        shares = fair(part_minutes, [Fraction(len(piece)) for piece in pieces])
        for piece, piece_minutes in zip(pieces, shares, strict=True):
            if piece_minutes:
                claims.append(of_piece(terms, resource, part, piece, piece_minutes))
    return claims


def span(terms: Terms, first: int, last: int) -> tuple[datetime, datetime]:
    return moment(terms, first), moment(terms, last + 1)


def of_piece(
    terms: Terms,
    resource: tuple[str, str, str],
    part: tuple[RateFacts, Fraction],
    piece: list[int],
    minutes: int,
) -> Claim:
    rate, quantity = part
    days = sorted({day_of(terms, tick) for tick in piece})
    weights = [Fraction(sum(day_of(terms, tick) == day for tick in piece)) for day in days]
    units = {day: quantity * share for day, share in zip(days, fair(minutes, weights), strict=True)}
    discount = best(terms, rate, resource, *span(terms, piece[0], piece[0]))
    return Claim(
        resource, rate, quantity, minutes, units, discount, *span(terms, piece[0], piece[-1])
    )


def of_totals(terms: Terms, totals: list[TotalFacts], *, late: bool) -> list[Claim]:
    claims = []
    keys = {(each.rate_id, each.resource_type, each.resource_id) for each in totals}
    for rate_id, *resource in keys:
        rate = terms.rates[rate_id]
        full = (resource[0], resource[1], "")
        events: dict[datetime, Fraction] = defaultdict(Fraction)
        for each in totals:
            if (each.rate_id, each.resource_type, each.resource_id) == (rate_id, *resource):
                midnight = datetime.combine(each.day, time(), UTC)
                events[midnight] += Fraction(each.quantity)

        def label(day: datetime, rate: RateFacts = rate, full: Any = full) -> Any:
            if late:
                return day.month
            return best(terms, rate, full, day, day + timedelta(days=1))

        for mark, group in groupby(sorted(events), key=label):
            days = list(group)
            units = {(day.date() - terms.period.start.date()).days: events[day] for day in days}
            start, end = days[0], days[-1] + timedelta(days=1)
            if not late:
                start, end = max(start, terms.period.start), min(end, terms.period.end)
            discount = None if late else mark
            quantity = sum(units.values(), Fraction())
            claims.append(Claim(full, rate, quantity, None, units, discount, start, end))
    return claims


def lines(
    terms: Terms, records: list[RecordFacts], totals: list[TotalFacts]
) -> tuple[list[ModelLine], int, int]:
    """The usage lines and the late ones, and the sum of each."""
    slots = defaultdict(list)
    for record in records:
        slots[record[:3]].append(record)
    claims = [claim for slot, own in slots.items() for claim in of_slot(terms, slot, own)]
    now = [each for each in totals if each.day >= terms.period.start.date()]
    late = [each for each in totals if each.day < terms.period.start.date()]
    claims += of_totals(terms, now, late=False)
    order = lambda claim: (claim.rate.group, claim.rate.name, *claim.resource, claim.start)  # noqa: E731
    claims.sort(key=order)
    usage, subtotal = priced(terms, "usage", claims, make_free(terms, claims))
    belated = sorted(of_totals(terms, late, late=True), key=order)
    late_lines, adjusted = priced(terms, "late", belated, [Fraction()] * len(belated))
    return usage + late_lines, subtotal, adjusted


def make_free(terms: Terms, claims: list[Claim]) -> list[Fraction]:
    left = [Fraction(allowance.quantity) for allowance in terms.allowances]
    free = [Fraction()] * len(claims)
    uses = [
        (day, -claim.rate.unit_price, claim.rate.name, claim.resource, claim.start, place, units)
        for place, claim in enumerate(claims)
        for day, units in claim.days.items()
    ]
    for *_, place, units in sorted(uses):
        rate = claims[place].rate
        for scope, target in (("rate", rate.name), ("group", rate.group)):
            for which, allowance in enumerate(terms.allowances):
                if (allowance.scope, allowance.target) == (scope, target):
                    taken = min(left[which], units)
                    left[which] -= taken
                    units -= taken  # noqa: PLW2901
                    free[place] += taken
    return free


def priced(
    terms: Terms, kind: str, claims: list[Claim], free: list[Fraction]
) -> tuple[list[ModelLine], int]:
    off = Fraction()
    for each in terms.discounts:
        until = each.valid_until or datetime.max.replace(tzinfo=UTC)
        valid = each.valid_from < terms.period.end <= until
        if kind == "usage" and each.scope == "project" and valid:
            off = max(off, Fraction(each.percent))
    gross, net = [], []
    for claim, none in zip(claims, free, strict=True):
        line_off = Fraction(claim.discount.percent) if claim.discount else Fraction()
        exact = (sum(claim.days.values(), Fraction()) - none) * Fraction(claim.rate.unit_price)
        gross.append(exact)
        net.append(exact * (100 - line_off) / 100 * (100 - off) / 100)
    total = floor(sum(net, Fraction()) * 100 + Fraction(1, 2))
    amounts = fair_amounts(total, net)
    made = [
        ModelLine(
            kind,
            claim.resource,
            claim.rate.name,
            claim.quantity,
            claim.minutes,
            none,
            claim.discount.id.int if claim.discount else None,
            claim.start,
            claim.end,
            *money,
        )
        for claim, none, *money in zip(claims, free, gross, net, amounts, strict=True)
    ]
    return made, total


def fair_amounts(total: int, net: list[Fraction]) -> list[int]:
    amounts = [floor(each * 100) for each in net]
    while sum(amounts) < total:
        rests = [each * 100 - amount for each, amount in zip(net, amounts, strict=True)]
        amounts[rests.index(max(rests))] += 1
    return amounts
