"""How closing a month uses credit: in bulk, inside the transaction that holds the projects' locks.

Nothing here takes a lock or commits. Credit that is not there can't be used: the database's own
CHECK on what remains is violated then, and the whole transaction with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, insert, select, update

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models import Credit, CreditEntry, table_of
from flask_billing.pricing import CreditFacts

__all__ = [
    "Rest",
    "Use",
    "expire",
    "give_back",
    "grant_rests",
    "open_credits",
    "spend",
    "take_back",
]


class Use(NamedTuple):
    """So much of a credit that an invoice uses, in minor units."""

    credit_id: UUID
    amount: int
    invoice_id: UUID


class Rest(NamedTuple):
    """A negative sum of an invoice, which becomes credit."""

    project_key: str
    amount: int
    currency: str
    invoice_id: UUID
    period_end: datetime


def open_credits(
    connection: Connection, ends: Mapping[str, datetime]
) -> dict[str, list[CreditFacts]]:
    """Return what is left of each project's credit and may pay for a period.

    That is what was granted before the period's end and not expired at it.

    :param ends: The end of the period, by project key.
    """
    credit = table_of(Credit).c
    query = select(
        credit.project_key, credit.id, credit.remaining, credit.expires_at, credit.granted_at
    ).where(credit.project_key.in_(sorted(ends)), credit.remaining > 0)
    found: dict[str, list[CreditFacts]] = {}
    for key, *values in connection.execute(query):
        facts = CreditFacts(*values)
        end = ends[key]
        if facts.granted_at < end and (facts.expires_at is None or facts.expires_at > end):
            found.setdefault(key, []).append(facts)
    return found


def spend(connection: Connection, uses: Sequence[Use]) -> None:
    """Write down what invoices use.

    :raises sqlalchemy.exc.DBAPIError: Less is left.
    """
    _change(connection, [(use.credit_id, -use.amount) for use in uses])
    _note(connection, "used", [(use.credit_id, -use.amount, use.invoice_id) for use in uses])


def expire(connection: Connection, ends: Mapping[str, datetime]) -> None:
    """Take away what had expired at the end of a period that was just closed.

    :param ends: The end of the period, by project key.
    """
    credit = table_of(Credit).c
    query = select(credit.project_key, credit.id, credit.remaining, credit.expires_at).where(
        credit.project_key.in_(sorted(ends)), credit.remaining > 0, credit.expires_at.is_not(None)
    )
    gone = [
        (credit_id, -remaining)
        for key, credit_id, remaining, expires_at in connection.execute(query)
        if expires_at <= ends[key]
    ]
    _change(connection, gone)
    _note(connection, "expired", [(credit_id, amount, None) for credit_id, amount in gone])


def grant_rests(connection: Connection, rests: Sequence[Rest]) -> None:
    """Make credit of the negative sums of invoices.

    It is granted at the period's end, whenever that is closed: so the next period has it.
    """
    rows: list[dict[str, Any]] = [
        {
            "id": uuid7(),
            "project_key": rest.project_key,
            "amount": rest.amount,
            "remaining": rest.amount,
            "currency": rest.currency,
            "granted_at": rest.period_end,
            "reason": "negative_sum",
            "invoice_id": rest.invoice_id,
        }
        for rest in rests
    ]
    if rows:
        connection.execute(insert(table_of(Credit)), rows)
    entries = [
        (row["id"], rest.amount, rest.invoice_id) for row, rest in zip(rows, rests, strict=True)
    ]
    _note(connection, "granted", entries)


def give_back(
    connection: Connection, invoice_id: UUID, *, reason: str, made_by: str | None = None
) -> int:
    """Give back what an invoice that becomes void has used, and return how much that is."""
    entry = table_of(CreditEntry).c
    query = (
        select(entry.credit_id, func.sum(entry.amount))
        .where(entry.invoice_id == invoice_id, entry.kind.in_(("used", "returned")))
        .group_by(entry.credit_id)
    )
    used = [(credit_id, -int(total)) for credit_id, total in connection.execute(query) if total]
    _change(connection, used)
    entries = [(credit_id, amount, invoice_id) for credit_id, amount in used]
    _note(connection, "returned", entries, reason=reason, made_by=made_by)
    return sum(amount for _, amount in used)


def take_back(
    connection: Connection, invoice_id: UUID, *, reason: str, made_by: str | None = None
) -> bool:
    """Take back the credit that the negative sum of an invoice became.

    What staff reversed is gone already.

    :returns: Whether no invoice has used any of it; otherwise nothing is changed.
    """
    credit, entry = table_of(Credit).c, table_of(CreditEntry).c
    ours = credit.invoice_id == invoice_id
    used = select(func.sum(entry.amount)).where(
        entry.credit_id == credit.id, ours, entry.kind.in_(("used", "returned"))
    )
    if connection.scalar(used):
        return False
    query = select(credit.id, credit.remaining).where(ours, credit.remaining > 0)
    found = connection.execute(query).all()
    _change(connection, [(row.id, -row.remaining) for row in found])
    entries = [(row.id, -row.remaining, invoice_id) for row in found]
    _note(connection, "reversed", entries, reason=reason, made_by=made_by)
    return True


def _change(connection: Connection, amounts: Iterable[tuple[UUID, int]]) -> None:
    """Add to what remains of each credit; in one order, so that no two wait for each other."""
    credit = table_of(Credit)
    rows = [{"credit": credit_id, "change": amount} for credit_id, amount in sorted(amounts)]
    if rows:
        connection.execute(
            update(credit)
            .where(credit.c.id == bindparam("credit"))
            .values(remaining=credit.c.remaining + bindparam("change")),
            rows,
        )


def _note(
    connection: Connection,
    kind: str,
    entries: Iterable[tuple[UUID, int, UUID | None]],
    *,
    reason: str | None = None,
    made_by: str | None = None,
) -> None:
    now = clock.now()
    rows = [
        {
            "id": uuid7(),
            "credit_id": credit_id,
            "kind": kind,
            "amount": amount,
            "invoice_id": invoice_id,
            "reason": reason,
            "made_by": made_by,
            "created_at": now,
        }
        for credit_id, amount, invoice_id in entries
    ]
    if rows:
        connection.execute(insert(table_of(CreditEntry)), rows)
