"""Puts the lines of an invoice onto its draft: each once, and grouped where they are many."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import Connection, Select, bindparam, select

from flask_billing.collecting.loading import Work
from flask_billing.gateways import LineRequest, RemoteInvoice
from flask_billing.metering.resources import words_of
from flask_billing.models import BillingRate, InvoiceGroup, InvoiceLine, table_of
from flask_billing.state import current

__all__ = ["add", "of_draft", "put_right"]

T = TypeVar("T")

#: The processor takes 250 lines an invoice; some room is left for the credit, and for its own.
_MOST = 240
_AT_ONCE = 250
_LONGEST = 250
_WORDS = {
    "usage": "Usage",
    "late": "Usage of earlier months",
    "carried": "Carried over from earlier months",
    "adjustment": "Adjustment",
}


def of_draft(connection: Connection, work: Work) -> list[LineRequest]:
    """Return what a draft has to hold.

    Our lines, where they are not too many; else the groups of them, else one line for each kind.
    """
    many = work.line_count > _MOST
    lines = list((_groups if many else _lines)(connection, work))
    if len(lines) > _MOST:
        lines = _kinds(lines)
    if work.credit_used:
        lines.append(LineRequest(local_id="credit", amount=-work.credit_used, description="Credit"))
    return _without_negatives(lines) if current().settings.automatic_tax else lines


def add(work: Work, lines: Sequence[LineRequest], *, salt: str = "") -> RemoteInvoice | None:
    """Add lines to the draft; returns it with its new totals, or `None` where there are none."""
    draft = None
    for batch in _batches(lines):
        draft = current().gateway.add_invoice_lines(
            work.stripe_id or "", batch, key=f"lines-{work.invoice_id}-{_digest(work, batch)}{salt}"
        )
    return draft


def put_right(work: Work, wanted: Sequence[LineRequest], *, salt: str = "") -> None:
    """Bring a draft that may hold lines already to those that are wanted.

    Lines of ours that it should not hold are taken off. What others have added stays: somebody has
    to look at it, as the sum differs then.
    """
    gateway, stripe_id = current().gateway, work.stripe_id or ""
    amounts = {line.local_id: line.amount for line in wanted}
    held: set[str] = set()
    wrong = []
    for line in gateway.invoice_lines(stripe_id):
        if line.local_id is None:
            continue
        if line.local_id in held or amounts.get(line.local_id) != line.amount:
            wrong.append(line.stripe_id)
        else:
            held.add(line.local_id)
    for batch in _batches(wrong):
        gateway.remove_invoice_lines(stripe_id, batch)
    add(work, [line for line in wanted if line.local_id not in held], salt=salt)


def _batches(things: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(things), _AT_ONCE):
        yield things[start : start + _AT_ONCE]


def _lines(connection: Connection, work: Work) -> Iterator[LineRequest]:
    for row in connection.execute(_all_lines(), {"of_invoice": work.invoice_id}):
        yield _request(f"{row.id}", row, _resource(row))


@cache
def _all_lines() -> Select[Any]:
    line, rate = table_of(InvoiceLine), table_of(BillingRate)
    return (
        select(line.c.id, line.c.amount, line.c.kind, line.c.resource_type, line.c.resource_id)
        .add_columns(line.c.slot, line.c.rate_id, rate.c.name)
        .outerjoin(rate, rate.c.id == line.c.rate_id)
        .where(line.c.invoice_id == bindparam("of_invoice"), line.c.amount != 0)
        .order_by(line.c.position)
    )


def _groups(connection: Connection, work: Work) -> Iterator[LineRequest]:
    group, rate = table_of(InvoiceGroup), table_of(BillingRate)
    query = (
        select(group.c.position, group.c.amount, group.c.kind, group.c.rate_id, rate.c.name)
        .outerjoin(rate, rate.c.id == group.c.rate_id)
        .where(group.c.invoice_id == work.invoice_id, group.c.amount != 0)
        .order_by(group.c.position)
    )
    for row in connection.execute(query):
        yield _request(f"group-{row.position}", row)


def _kinds(lines: Sequence[LineRequest]) -> list[LineRequest]:
    """Sum groups up by what they begin with: their kind."""
    sums: dict[str, int] = {}
    for kind, members in groupby(lines, key=lambda line: line.description.split(":")[0]):
        sums[kind] = sums.get(kind, 0) + sum(line.amount for line in members)
    return [
        LineRequest(local_id=f"kind-{place}", amount=amount, description=kind)
        for place, (kind, amount) in enumerate(sums.items(), 1)
        if amount
    ]


def _without_negatives(lines: Sequence[LineRequest]) -> list[LineRequest]:
    """Take what is negative off the other lines, the last first: the processor taxes no such line.

    Their sum stays what it is.
    """
    left = -sum(line.amount for line in lines if line.amount < 0)
    kept = []
    for line in reversed([line for line in lines if line.amount > 0]):
        taken = min(left, line.amount)
        left -= taken
        if taken < line.amount:
            words = f"{line.description}, less credit"[:_LONGEST] if taken else line.description
            kept.append(replace(line, amount=line.amount - taken, description=words))
    return kept[::-1]


def _request(local_id: str, row: Any, resource: str = "") -> LineRequest:
    words = _WORDS.get(row.kind, row.kind)
    if row.name is not None:
        words += f": {current().settings.rates.words_for(row.rate_id, row.name)}"
    description = f"{words} ({resource})" if resource else words
    return LineRequest(local_id=local_id, amount=row.amount, description=description[:_LONGEST])


def _resource(row: Any) -> str:
    """Return what a line is for: never by the name that a person gave it, which stays here."""
    if not row.resource_id:
        return ""
    words = words_of(row.resource_type or "")
    named = f"{words[:1].upper()}{words[1:]} {row.resource_id}".strip()
    return f"{named}, {row.slot}" if row.slot else named


def _digest(work: Work, lines: Sequence[LineRequest]) -> str:
    """Return a short name of what is added: the same key must never come with other lines."""
    text = "\n".join([work.stripe_id or "", *(f"{each.local_id} {each.amount}" for each in lines)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
