"""Claims invoices, so that only one worker at a time collects each.

A claim is a short transaction; whatever is decided on an invoice afterwards is written only while
the claim is still ours. A worker that dies leaves a claim that runs out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, case, exists, or_, select, update
from sqlalchemy.orm import aliased

from flask_billing import clock, projects
from flask_billing.collecting.loading import Work, load
from flask_billing.ids import uuid7
from flask_billing.models import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    PaymentAttempt,
    table_of,
)
from flask_billing.state import current
from flask_billing.transactions import fresh_connection

__all__ = [
    "ACTIVE",
    "Lost",
    "claim",
    "claim_one",
    "has_flight",
    "is_due",
    "is_free",
    "is_ours",
    "of_projects",
    "release",
    "renewed",
    "transaction",
    "write_claimed",
]

#: The states in which there is something left to do, those first that wait for an outcome.
ACTIVE = ("processing", "transfer", "waiting", "past_due")

#: Longer than the calls for an invoice take; what a slower worker finds is not written.
_LEASE = timedelta(minutes=10)


class Lost(Exception):
    """The claim ran out, and somebody else is at work on the invoice."""


@contextmanager
def transaction() -> Iterator[Connection]:
    """Give a new transaction, which ends with the block."""
    session = current().db.session
    connection = fresh_connection()
    try:
        yield connection
    except BaseException:
        session.rollback()
        raise
    session.commit()


def claim(state: str, keys: Collection[str] | None = None) -> Work | None:
    """Claim the invoice in a state that has been due for longest; commits the session.

    Who pays it is fixed with the claim, unless that is fixed already.

    :param keys: Of these projects only.
    """
    row = table_of(InvoiceCollection)
    now, token = clock.now(), uuid7()
    until = now + _LEASE
    due = (
        select(row.c.invoice_id)
        .where(row.c.state == state, *is_due(now), *of_projects(keys))
        .order_by(row.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = update(row).values(
        claimed_by=token, claimed_until=until, next_try_at=until, billing_info_id=_payer()
    )
    with transaction() as connection:
        if connection.dialect.name in {"postgresql", "sqlite"}:
            taken = taken.where(row.c.invoice_id == due.scalar_subquery())
            invoice_id = connection.scalar(taken.returning(row.c.invoice_id))
        else:
            invoice_id = connection.scalar(due)
            connection.execute(taken.where(row.c.invoice_id == invoice_id))
    return None if invoice_id is None else load(invoice_id, token, until, by_hand=False)


def claim_one(
    invoice_id: UUID, *conditions: ColumnElement[bool], by_hand: bool = True
) -> Work | None:
    """Claim one invoice unless somebody is at work on it; commits the session.

    :param conditions: What its row has to fulfil.
    :param by_hand: Whether its plan stays what it was.
    """
    row = table_of(InvoiceCollection)
    now, token = clock.now(), uuid7()
    until = now + _LEASE
    values: dict[str, Any] = {"claimed_by": token, "claimed_until": until}
    if not by_hand:
        values["next_try_at"] = until
    with transaction() as connection:
        taken = connection.execute(
            update(row)
            .where(row.c.invoice_id == invoice_id, is_free(now), *conditions)
            .values(billing_info_id=_payer(), **values)
        )
    return load(invoice_id, token, until, by_hand=by_hand) if taken.rowcount else None


def is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that somebody has to look at an invoice, beside its state."""
    row = table_of(InvoiceCollection).c
    return (
        row.livemode == current().settings.livemode,
        row.next_try_at <= now,
        or_(row.owner_until.is_(None), row.owner_until <= now),
        is_free(now),
    )


def is_free(now: datetime) -> ColumnElement[bool]:
    """Return the condition that nobody is at work on an invoice."""
    row = table_of(InvoiceCollection).c
    return or_(row.claimed_until.is_(None), row.claimed_until <= now)


def is_ours(work: Work) -> bool:
    """Return whether the claim is still ours, and the invoice not parked meanwhile."""
    row = table_of(InvoiceCollection).c
    query = select(row.claimed_by).where(row.invoice_id == work.invoice_id, row.state != "parked")
    holder = projects.connection().scalar(query)
    current().db.session.commit()
    return bool(holder == work.token)


def has_flight() -> ColumnElement[bool]:
    """Return the condition that the outcome of an attempt is open."""
    attempt = table_of(PaymentAttempt).c
    return exists().where(
        attempt.invoice_id == table_of(InvoiceCollection).c.invoice_id,
        attempt.in_flight_marker == 1,
    )


def of_projects(keys: Collection[str] | None) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that an invoice is one of these projects'; `None` for all."""
    if keys is None:
        return ()
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    its = (
        select(invoice.c.id)
        .where(invoice.c.id == row.c.invoice_id, invoice.c.project_key.in_(keys))
        .correlate(row)
    )
    return (its.exists(),)


def release(
    connection: Connection,
    work: Work,
    at: datetime | None,
    *conditions: ColumnElement[bool],
    **values: Any,
) -> None:
    """Give the claim back, with what was decided and when somebody has to look again.

    Whoever wakes the invoice while it is claimed is not overruled, nor who finds it paid or has to
    park it.

    :param at: `None` where only an event or a person moves it on.
    :raises Lost: The claim is not ours any more, or nothing is left to be done.
    """
    row = table_of(InvoiceCollection).c
    column = row.next_try_at
    if at is None:
        values["next_try_at"] = None
    elif work.by_hand:
        planned = at if work.next_try_at is None else min(at, work.next_try_at)
        is_later = or_(column.is_(None), column == work.until, column > planned)
        values["next_try_at"] = case((is_later, planned), else_=column)
    else:
        values["next_try_at"] = case((column == work.until, at), else_=column)
    values |= {"claimed_by": None, "claimed_until": None}
    write_claimed(connection, work, row.state.in_(ACTIVE), *conditions, **values)


def write_claimed(
    connection: Connection, work: Work, *conditions: ColumnElement[bool], **values: Any
) -> None:
    """Write to the invoice's row, as long as the claim is ours.

    :raises Lost: It is not, or the row does not fulfil the conditions.
    """
    row = table_of(InvoiceCollection)
    written = connection.execute(
        update(row)
        .where(row.c.invoice_id == work.invoice_id, row.c.claimed_by == work.token, *conditions)
        .values(values)
    )
    if not written.rowcount:
        raise Lost


def renewed(work: Work) -> dict[str, Any]:
    """Return the values that let a claim run for its whole time once more.

    Whoever works by hand has it looked at then too: what is begun must not wait for the plan.
    """
    column = table_of(InvoiceCollection).c.next_try_at
    before, work.until = work.until, clock.now() + _LEASE
    is_its = column == before
    if work.by_hand:
        is_its = or_(column.is_(None), is_its, column > work.until)
    at = case((is_its, work.until), else_=column)
    return {"claimed_until": work.until, "next_try_at": at}


def _payer() -> ColumnElement[UUID | None]:
    """Return who pays: as it is fixed, else whoever pays for the project now.

    Who was deleted at the processor pays nothing any more.
    """
    row, invoice = table_of(InvoiceCollection).c, table_of(Invoice).c
    project = table_of(BilledProjectRow).c
    paying = (
        select(BillingInfo.id)
        .join(project.project_key.table, project.billing_info_id == BillingInfo.id)
        .join(invoice.id.table, invoice.project_key == project.project_key)
        .where(
            invoice.id == row.invoice_id,
            BillingInfo.removed_at.is_(None),
            projects.of_current_key(current()),
        )
    )
    fixed = aliased(BillingInfo)
    is_gone = select(fixed.id).where(fixed.id == row.billing_info_id, fixed.removed_at.is_not(None))
    is_open = or_(row.billing_info_id.is_(None), is_gone.exists())
    return case((is_open, paying.scalar_subquery()), else_=row.billing_info_id)
