"""The lines of an invoice and what they come to: the order in which the money rules apply."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from uuid import UUID

from flask_billing.money import apportion, to_major_units, to_minor_units
from flask_billing.pricing.allowances import use_up
from flask_billing.pricing.discounts import project_percent
from flask_billing.pricing.facts import RecordFacts, Terms, TotalFacts
from flask_billing.pricing.results import Group, Line, Priced
from flask_billing.pricing.settling import Settlement, settle
from flask_billing.pricing.uses import Use, late_uses, uses

__all__ = ["EXACTLY", "price", "usage_of"]

#: Rounding is an error here: what is rounded is rounded by the functions of `money`.
EXACTLY = Context(prec=80, traps=[DivisionByZero, Inexact, InvalidOperation])
_HUNDRED = Decimal(100)
_NOTHING = Decimal(0)


def price(terms: Terms, records: Iterable[RecordFacts], totals: Iterable[TotalFacts]) -> Priced:
    """Return what usage costs in a period, and what of it is due.

    :param records: Those that overlap the period; what is outside of it is left out.
    :param totals: Those that are counted in the month of the period.
    :raises ValueError: Something can't be priced; its message is one word that says why.
    """
    now, late = by_lateness(terms, totals)
    with localcontext(EXACTLY):
        percent = project_percent(terms.discounts, terms.period.end)
        lines, subtotal = _lines("usage", usage_of(terms, records, now), terms, percent)
        gross = to_minor_units(sum([line.gross for line in lines], _NOTHING), terms.currency)
        late_lines, adjusted = _lines("late", late_uses(terms, late), terms)
        lines += late_lines
        if lines or terms.adjustments:
            lines += _lines_of_their_own(terms)
        groups = _groups(lines, terms)
    adjusted += sum(adjustment.amount for adjustment in terms.adjustments)
    rest = subtotal + terms.carried + adjusted
    settlement = settle(rest, terms) if lines else Settlement(carried_out=terms.carried)
    return Priced(
        lines=lines,
        groups=groups,
        gross=gross,
        subtotal=subtotal,
        carried_in=terms.carried,
        adjusted=adjusted,
        **settlement._asdict(),
    )


def usage_of(
    terms: Terms, records: Iterable[RecordFacts], totals: Iterable[TotalFacts]
) -> list[Use]:
    """Return what was used in the period, with what of it is free."""
    used = uses(terms, records, totals)
    use_up(terms.allowances, used)
    return used


def by_lateness(
    terms: Terms, totals: Iterable[TotalFacts]
) -> tuple[list[TotalFacts], list[TotalFacts]]:
    """Return the totals of the period, and those of months that were closed already."""
    first = terms.period.start.date()
    now: list[TotalFacts] = []
    late: list[TotalFacts] = []
    for total in totals:
        (late if total.day < first else now).append(total)
    return now, late


def _lines(
    kind: str, used: Sequence[Use], terms: Terms, project_percent: Decimal = _NOTHING
) -> tuple[list[Line], int]:
    """Return a line for each use, and their sum, rounded once and shared over them."""
    gross = [(use.units - use.free) * use.rate.unit_price for use in used]
    net = [
        _less(_less(amount, use.discount.percent if use.discount else _NOTHING), project_percent)
        for use, amount in zip(used, gross, strict=True)
    ]
    total, amounts = apportion(net, terms.currency)
    return [_line(kind, *each) for each in zip(used, gross, net, amounts, strict=True)], total


def _less(amount: Decimal, percent: Decimal) -> Decimal:
    return amount * (_HUNDRED - percent).scaleb(-2) if percent else amount


def _line(kind: str, use: Use, gross: Decimal, net: Decimal, amount: int) -> Line:
    return Line(
        kind=kind,
        resource_type=use.resource_type or None,
        resource_id=use.resource_id or None,
        slot=use.slot or None,
        rate_id=use.rate.id,
        quantity=use.quantity,
        minutes=use.minutes,
        free_quantity=use.free,
        started_at=use.spans[0].start,
        ended_at=use.spans[-1].end,
        discount_percent=use.discount.percent if use.discount else None,
        discount_id=use.discount.id if use.discount else None,
        adjustment_id=None,
        gross=gross,
        net=net,
        amount=amount,
    )


def _lines_of_their_own(terms: Terms) -> list[Line]:
    """Return lines for what was carried and for adjustments; no discount is for them."""
    lines = []
    if terms.carried:
        lines.append(_plain_line("carried", terms.carried, terms.currency))
    for adjustment in sorted(terms.adjustments):
        line = _plain_line("adjustment", adjustment.amount, terms.currency)
        lines.append(line._replace(adjustment_id=adjustment.id))
    return lines


def _plain_line(kind: str, amount: int, currency: str) -> Line:
    exact = to_major_units(amount, currency)
    return Line(kind, gross=exact, net=exact, amount=amount)


def _groups(lines: Iterable[Line], terms: Terms) -> list[Group]:
    """Sum up the lines of each kind and rate, in the order of the first of them."""
    groups: dict[tuple[str, UUID | None], Group] = {}
    for line in lines:
        key = (line.kind, line.rate_id)
        if key not in groups:
            name = terms.rates[line.rate_id].group if line.rate_id else ""
            groups[key] = Group(line.kind, name, line.rate_id)
        groups[key].add(line)
    return list(groups.values())
