"""Writes what closing has found out: invoices, lines, credit, and how far projects are closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, bindparam, insert, update

from flask_billing import clock, credits
from flask_billing.ids import uuid7
from flask_billing.invoicing import reissuing
from flask_billing.invoicing.due import OpenProject
from flask_billing.models import (
    Adjustment,
    BilledProjectRow,
    Invoice,
    InvoiceCollection,
    InvoiceGroup,
    InvoiceLine,
    table_of,
)
from flask_billing.pricing import Line, Priced

__all__ = ["write"]

#: How many rows a statement inserts: an invoice may have 100,000 lines.
_AT_ONCE = 5_000
_AMOUNTS = (
    "gross",
    "subtotal",
    "carried_in",
    "adjusted",
    "credit_used",
    "credit_granted",
    "due",
    "carried_out",
    "waived",
)
_GROUP = (
    "kind",
    "group_name",
    "rate_id",
    "line_count",
    "quantity",
    "free_quantity",
    "gross",
    "net",
    "amount",
)


class _Issued(NamedTuple):
    """An invoice that closing writes."""

    invoice_id: UUID
    project: OpenProject
    priced: Priced


def write(connection: Connection, closed: Sequence[tuple[OpenProject, Priced]]) -> list[UUID]:
    """Write periods that were priced, under the locks of their projects; does not commit.

    :returns: The ids of the invoices; a period without any line has none.
    """
    issued = [
        _Issued(uuid7(), project, priced) for project, priced in closed if not priced.is_empty
    ]
    _insert(connection, Invoice, map(_invoice, issued))
    _insert(connection, InvoiceLine, _lines(issued))
    _insert(connection, InvoiceGroup, _groups(issued))
    _insert(connection, InvoiceCollection, _to_collect(issued))
    _take_adjustments(connection, issued)
    _move_credit(connection, issued)
    _move_carried(connection, issued)
    _move_on(connection, issued, closed)
    for project, _ in closed:
        if project.is_reissue:
            reissuing.done(connection, project)
    if ends := {project.key: project.period.end for project, _ in closed if not project.is_reissue}:
        credits.expire(connection, ends)
    return [each.invoice_id for each in issued]


def _insert(connection: Connection, model: type[Any], rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while found := list(islice(left, _AT_ONCE)):
        connection.execute(insert(table_of(model)), found)


def _invoice(issued: _Issued) -> dict[str, Any]:
    project, priced = issued.project, issued.priced
    return {
        "id": issued.invoice_id,
        "project_key": project.key,
        "period_start": project.period.start,
        "period_end": project.period.end,
        "live_marker": 1,
        "state": "closed",
        "currency": project.currency,
        "line_count": len(priced.lines),
        "closed_at": clock.now(),
        **{name: getattr(priced, name) for name in _AMOUNTS},
    }


def _lines(issued: Iterable[_Issued]) -> Iterator[dict[str, Any]]:
    names = ("id", "invoice_id", "position", *Line._fields)
    for invoice_id, _, priced in issued:
        for position, line in enumerate(priced.lines, 1):
            yield dict(zip(names, (uuid7(), invoice_id, position, *line), strict=True))


def _groups(issued: Iterable[_Issued]) -> Iterator[dict[str, Any]]:
    for invoice_id, _, priced in issued:
        for position, group in enumerate(priced.groups, 1):
            fields = {name: getattr(group, name) for name in _GROUP}
            yield {"invoice_id": invoice_id, "position": position, **fields}


def _to_collect(issued: Iterable[_Issued]) -> Iterator[dict[str, Any]]:
    for invoice_id, _, priced in issued:
        if priced.due:
            yield {"invoice_id": invoice_id}


def _take_adjustments(connection: Connection, issued: Iterable[_Issued]) -> None:
    adjustment = table_of(Adjustment)
    taken = [
        {"adjustment": line.adjustment_id, "invoice": invoice_id}
        for invoice_id, _, priced in issued
        for line in priced.lines
        if line.adjustment_id is not None
    ]
    if taken:
        connection.execute(
            update(adjustment)
            .where(adjustment.c.id == bindparam("adjustment"), adjustment.c.invoice_id.is_(None))
            .values(invoice_id=bindparam("invoice")),
            taken,
        )


def _move_credit(connection: Connection, issued: Sequence[_Issued]) -> None:
    uses = [
        credits.Use(credit_id, amount, invoice_id)
        for invoice_id, _, priced in issued
        for credit_id, amount in priced.credits_used
    ]
    rests = [
        credits.Rest(
            project.key, priced.credit_granted, project.currency, invoice_id, project.period.end
        )
        for invoice_id, project, priced in issued
        if priced.credit_granted
    ]
    if uses:
        credits.spend(connection, uses)
    if rests:
        credits.grant_rests(connection, rests)


def _move_carried(connection: Connection, issued: Iterable[_Issued]) -> None:
    row = table_of(BilledProjectRow)
    moved = [
        {"key": project.key, "change": priced.carried_out - priced.carried_in}
        for _, project, priced in issued
        if priced.carried_out != priced.carried_in
    ]
    if moved:
        connection.execute(
            update(row)
            .where(row.c.project_key == bindparam("key"))
            .values(carried=row.c.carried + bindparam("change")),
            moved,
        )


def _move_on(
    connection: Connection, issued: Iterable[_Issued], closed: Iterable[tuple[OpenProject, Priced]]
) -> None:
    """Write up to when projects are closed, and their currency once there is an invoice."""
    invoiced = {each.project.key for each in issued}
    together: dict[tuple[datetime | None, str | None], list[str]] = {}
    for project, _ in closed:
        fixed = None if project.is_fixed or project.key not in invoiced else project.currency
        end = None if project.is_reissue else project.period.end
        together.setdefault((end, fixed), []).append(project.key)
    row = table_of(BilledProjectRow)
    for (end, fixed), keys in together.items():
        values: dict[str, Any] = {} if fixed is None else {"currency": fixed}
        if end is not None:
            values |= {"closed_until": end, "parked_reason": None, "parked_at": None}
        if values:
            connection.execute(update(row).where(row.c.project_key.in_(keys)).values(values))
