"""Claims invoices, so that only one worker at a time collects each.

A claim is a short transaction; whatever is decided on an invoice afterwards is written only while
the claim is still ours. A worker that dies leaves a claim that runs out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    bindparam,
    case,
    exists,
    or_,
    select,
    update,
)
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
    "LEASE",
    "Heir",
    "Lost",
    "claim",
    "claim_one",
    "has_flight",
    "heir_of",
    "is_due",
    "is_free",
    "is_ours",
    "of_projects",
    "transaction",
]

#: The states in which there is something left to do, those first that wait for an outcome.
ACTIVE = ("processing", "transfer", "waiting", "past_due")

#: Longer than the calls for an invoice take; what a slower worker finds is not written.
LEASE = timedelta(minutes=10)


class Lost(Exception):
    """The claim ran out, and somebody else is at work on the invoice."""


@contextmanager
def transaction(*, one_write: bool = False) -> Iterator[Connection]:
    """Give a new transaction, which ends with the block.

    :param one_write: As of :func:`~flask_billing.transactions.fresh_connection`.
    """
    session = current().db.session
    connection = fresh_connection(one_write=one_write)
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
    now, token = clock.now(), uuid7()
    until, settings = now + LEASE, current().settings
    terms: dict[str, Any] = {"of_state": state, "now": now}
    if keys is not None:
        terms["of_keys"] = list(keys)
    values = {"claimed_by": token, "claimed_until": until, "next_try_at": until}
    with transaction(one_write=True) as connection:
        due, taken = _claiming(
            connection.dialect.name,
            livemode=settings.livemode,
            key_digest=settings.key_digest,
            of_all=keys is None,
        )
        if due is None:
            invoice_id = connection.scalar(taken, terms | values)
        elif (invoice_id := connection.scalar(due, terms)) is not None:
            connection.execute(taken, {"of_invoice": invoice_id} | values)
        if invoice_id is None:
            return None
        return load(connection, invoice_id, token, until, by_hand=False)


@cache
def _claiming(
    dialect: str, *, livemode: bool, key_digest: str, of_all: bool
) -> tuple[Select[tuple[UUID]] | None, Any]:
    """Return the query for the invoice that is due, unless the update that claims it holds it.

    :param key_digest: The processor's key, by which :func:`_payer` goes.
    """
    del key_digest
    table = table_of(InvoiceCollection)
    row = table.c
    now: Any = bindparam("now", type_=row.next_try_at.type)
    keys: Any = None if of_all else bindparam("of_keys", expanding=True)
    due = (
        select(row.invoice_id)
        .where(row.state == bindparam("of_state"), *_is_due(now, livemode=livemode))
        .where(*of_projects(keys))
        .order_by(row.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
    taken = update(table).values(billing_info_id=_payer())
    if dialect in {"postgresql", "sqlite"}:
        taken = taken.where(row.invoice_id == due.scalar_subquery())
        return None, taken.returning(row.invoice_id)
    return due, taken.where(row.invoice_id == bindparam("of_invoice"))


def claim_one(
    invoice_id: UUID, *conditions: ColumnElement[bool], by_hand: bool = True
) -> Work | None:
    """Claim one invoice unless somebody is at work on it; commits the session.

    :param conditions: What its row has to fulfil.
    :param by_hand: Whether its plan stays what it was.
    """
    row = table_of(InvoiceCollection)
    now, token = clock.now(), uuid7()
    until = now + LEASE
    values: dict[str, Any] = {"claimed_by": token, "claimed_until": until}
    if not by_hand:
        values["next_try_at"] = until
    with transaction(one_write=True) as connection:
        taken = connection.execute(
            update(row)
            .where(row.c.invoice_id == invoice_id, is_free(now), *conditions)
            .values(billing_info_id=_payer(), **values)
        )
        if not taken.rowcount:
            return None
        return load(connection, invoice_id, token, until, by_hand=by_hand)


def is_due(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions that somebody has to look at an invoice, beside its state."""
    return _is_due(now, livemode=current().settings.livemode)


def _is_due(now: datetime, *, livemode: bool) -> tuple[ColumnElement[bool], ...]:
    row = table_of(InvoiceCollection).c
    return (
        row.livemode == livemode,
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


class Heir(NamedTuple):
    """Who pays an invoice instead of who has nothing that could be charged."""

    info_id: UUID
    customer_id: str


def heir_of(work: Work) -> Heir | None:
    """Return who pays for the project now and can be charged, where its payer can't; commits.

    `None` too where it is to be paid by transfer, or a payment is under way.
    """
    is_waiting = work.state in {"waiting", "past_due"} and work.due_at is None
    if work.info_id is None or work.can_be_charged or not is_waiting or work.flight is not None:
        return None
    state, project = current(), table_of(BilledProjectRow).c
    query = (
        select(BillingInfo.id, BillingInfo.stripe_id)
        .join(project.project_key.table, project.billing_info_id == BillingInfo.id)
        .where(
            project.project_key == work.project_key,
            BillingInfo.id != work.info_id,
            projects.has_usable_method(BillingInfo.id, state),
        )
    )
    found = projects.connection().execute(query).one_or_none()
    state.db.session.commit()
    return None if found is None or found.stripe_id is None else Heir(*found)
