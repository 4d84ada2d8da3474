"""Turns what a bill is made of into rows: by group and rate, by resource, and line by line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from flask_billing import projects
from flask_billing.models import Adjustment, InvoiceGroup, InvoiceLine, table_of
from flask_billing.money import to_minor_units
from flask_billing.periods import Span
from flask_billing.pricing import Group, Line
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext
from flask_billing.web.presenters.caps import capped_slots, slot_of
from flask_billing.web.presenters.rates import ShownRate, rates_of
from flask_billing.web.presenters.resource_names import Thing, named
from flask_billing.web.times import period

__all__ = [
    "GroupRow",
    "LineRow",
    "ResourceRow",
    "Section",
    "by_resource",
    "lines_of",
    "sections_of",
]

# As it was just priced, or as a row: both have the same names.
_Line = Line | InvoiceLine
_Group = Group | InvoiceGroup

_NO_RESOURCE = Thing("", "")
_TIMES = "\N{MULTIPLICATION SIGN}"


class GroupRow(NamedTuple):
    """What was used of one rate; `before` is the amount before discounts, where there are any."""

    words: str
    price: str
    used: str
    free: str
    amount: str
    before: str


@dataclass(frozen=True)
class Section:
    """The rates of one group; without a name of its own where it is just one rate."""

    name: str
    amount: str
    rows: Sequence[GroupRow]
    #: What was used of all that is counted in minutes.
    minutes: Decimal


class ResourceRow(NamedTuple):
    """What one resource costs; `slots` says of what."""

    words: str
    slots: str
    amount: str
    before: str


class LineRow(NamedTuple):
    """A line of an invoice."""

    words: str
    notes: Sequence[str]
    used: str
    amount: str
    before: str = ""
    #: Says that no more of the month is charged for.
    most: str = ""


@dataclass
class _Costs:
    slots: list[str] = field(default_factory=list)
    amount: int = 0
    gross: Decimal = Decimal()
    net: Decimal = Decimal()


def sections_of(groups: Iterable[_Group], currency: str) -> list[Section]:
    """Return what was used, by group, and what of it was reported late.

    What was carried over and adjustments are left out: they are steps of the sum below.
    """
    shown = [group for group in groups if group.kind in {"usage", "late"}]
    rates = rates_of(group.rate_id for group in shown)
    sections = []
    for (kind, name), members in groupby(shown, key=lambda group: (group.kind, group.group_name)):
        of_one = list(members)
        rows = [_group_row(group, rates[group.rate_id], currency) for group in of_one]
        total = amounts.number(sum(group.amount for group in of_one), currency)
        heading = name if kind == "usage" and len(rows) > 1 else ""
        timed = [group for group in of_one if rates[group.rate_id].unit == "minute"]
        minutes = sum([group.quantity or Decimal() for group in timed], Decimal())
        sections.append(Section(heading, total, rows, minutes))
    return sections


def by_resource(
    lines: Iterable[_Line], project: Any, currency: str, *, page: int, size: int
) -> tuple[list[ResourceRow], int]:
    """Return one page of resources, the dearest first, and how many resources there are.

    What was used without a resource is a row behind the last of them.
    """
    costs: dict[Thing, _Costs] = {}
    for line in lines:
        if line.kind == "usage":
            one = costs.setdefault(_thing_of(line) if line.resource_id else _NO_RESOURCE, _Costs())
            one.amount += line.amount
            one.gross += line.gross
            one.net += line.net
            if line.slot and line.slot not in one.slots:
                one.slots.append(line.slot)
    rest = costs.pop(_NO_RESOURCE, None)
    dearest = sorted(costs, key=lambda thing: (-costs[thing].net, thing))
    shown = dearest[(page - 1) * size : page * size]
    names = named(shown, project)
    rows = [_resource_row(names[thing], costs[thing], currency) for thing in shown]
    if rows and rest and page * size >= len(costs):
        rows.append(_resource_row(gettext("Without a resource"), rest, currency))
    return rows, len(costs)


def lines_of(lines: Sequence[_Line], project: Any, whole: Span, currency: str) -> list[LineRow]:
    """Return lines in words, with a bounded number of statements for all of them."""
    rates = rates_of(line.rate_id for line in lines)
    names = named([_thing_of(line) for line in lines if line.resource_id], project)
    reasons = _reasons([line.adjustment_id for line in lines if line.adjustment_id])
    rows = [_line_row(line, rates, names, reasons, whole, currency) for line in lines]
    capped = capped_slots(lines)
    return [
        row._replace(most=gettext("the most of a month")) if slot_of(line) in capped else row
        for line, row in zip(lines, rows, strict=True)
    ]


def _thing_of(line: _Line) -> Thing:
    return Thing(line.resource_type or "", line.resource_id or "")


def _group_row(group: _Group, rate: ShownRate, currency: str) -> GroupRow:
    words = rate.description
    if group.kind == "late":
        words = gettext("%(rate)s, reported late", rate=rate.description)
    return GroupRow(
        words,
        rate.price,
        _used(group.quantity, rate),
        _free(group.free_quantity, rate),
        amounts.about(group.amount, group.net, currency),
        _before(group, currency),
    )


def _resource_row(name: str, costs: _Costs, currency: str) -> ResourceRow:
    amount = amounts.about(costs.amount, costs.net, currency)
    return ResourceRow(name, ", ".join(costs.slots), amount, _before(costs, currency))


def _before(costs: _Line | _Group | _Costs, currency: str) -> str:
    """Return what costs were before discounts; empty where there are none to be seen."""
    whole = to_minor_units(costs.gross, currency)
    if costs.gross == costs.net or whole == costs.amount:
        return ""
    return gettext("%(amount)s before discounts", amount=amounts.number(whole, currency))


def _line_row(
    line: _Line,
    rates: Mapping[UUID | None, ShownRate],
    names: Mapping[Thing, str],
    reasons: Mapping[UUID | None, str],
    whole: Span,
    currency: str,
) -> LineRow:
    amount = amounts.about(line.amount, line.net, currency)
    rate = rates.get(line.rate_id)
    if line.kind == "carried":
        return LineRow(gettext("Carried over from earlier months"), [], "", amount)
    if rate is None:
        reason = reasons.get(line.adjustment_id, "").replace("_", " ")
        return LineRow(gettext("Adjustment"), [reason] if reason else [], "", amount)
    name = names.get(_thing_of(line))
    notes = _notes(line, rate, whole, is_named=name is not None)
    used, before = _line_used(line, rate), _before(line, currency)
    return LineRow(name or rate.description, notes, used, amount, before)


def _notes(line: _Line, rate: ShownRate, whole: Span, *, is_named: bool) -> list[str]:
    """Return what else there is to say of a line, the most telling first."""
    notes = [line.slot] if line.slot else []
    notes += [f"{rate.description}, {rate.price}" if is_named else rate.price]
    if line.kind == "late":
        notes.append(gettext("reported late"))
    if line.started_at and line.ended_at and (line.started_at, line.ended_at) != tuple(whole):
        notes.append(period(Span(line.started_at, line.ended_at)))
    if line.discount_percent:
        notes.append(gettext("%(percent)s off", percent=amounts.percent(line.discount_percent)))
    return [*notes, _free(line.free_quantity, rate)] if line.free_quantity else notes


def _line_used(line: _Line, rate: ShownRate) -> str:
    if line.minutes is None:
        return _used(line.quantity, rate)
    minutes = gettext("%(minutes)s min", minutes=amounts.quantity(line.minutes))
    if line.quantity is None or line.quantity == 1:
        return minutes
    return f"{amounts.quantity(line.quantity)} {_TIMES} {minutes}"


def _used(quantity: Decimal | None, rate: ShownRate) -> str:
    if quantity is None:
        return ""
    words = amounts.quantity(quantity)
    return gettext("%(minutes)s min", minutes=words) if rate.unit == "minute" else words


def _free(quantity: Decimal | None, rate: ShownRate) -> str:
    if not quantity:
        return ""
    return gettext("%(quantity)s free", quantity=_used(quantity, rate))


def _reasons(adjustment_ids: Sequence[UUID]) -> Mapping[UUID | None, str]:
    if not adjustment_ids:
        return {}
    adjustment = table_of(Adjustment).c
    query = select(adjustment.id, adjustment.reason).where(adjustment.id.in_(adjustment_ids))
    return {row.id: row.reason for row in projects.connection().execute(query)}
