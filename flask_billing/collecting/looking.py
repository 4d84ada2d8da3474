"""Shows what would be charged, and what is stuck, without asking the processor anything."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, or_, select

from flask_billing import clock, projects
from flask_billing.collecting.choosing import ids_of, methods_of
from flask_billing.collecting.claiming import ACTIVE, is_due, of_projects
from flask_billing.models import (
    BilledProjectRow,
    Invoice,
    InvoiceCollection,
    PaymentAttempt,
    table_of,
)
from flask_billing.state import current

__all__ = ["PlannedCharge", "Stuck", "preview", "stuck"]

_AT_ONCE = 200
#: For how long each is nobody's fault.
_UNASKED = timedelta(hours=1)
_UNKNOWN = timedelta(hours=24)
_AT_A_BANK = timedelta(days=14)
_UNADDRESSED = timedelta(days=7)
#: How many rows there are, however few of them are returned.
_ALIKE = func.count().over().label("alike")


class PlannedCharge(NamedTuple):
    """What the next look at an invoice would charge.

    :ivar amount: In minor units; before tax where the invoice is not issued yet.
    :ivar method_ids: The payment methods in the order in which they would be tried; none where only
        its owner can move it on.
    """

    project_key: str
    invoice_id: UUID
    amount: int
    currency: str
    method_ids: tuple[UUID, ...]


class Stuck(NamedTuple):
    """Something that has not come to its end for longer than it should take.

    :ivar kind: ``"parked"``, ``"late"`` (nobody has looked at it), ``"attempt"`` (an outcome that
        nobody knows), ``"processing"`` (a bank takes long), ``"address"`` or ``"past_due"``.
    :ivar id: The id of the invoice, of the attempt, or of the refund.
    :ivar state: How far it is, or why it is parked.
    :ivar hint: What to do or to type.
    :ivar alike: How many of its kind there are, however few of them were asked for.
    """

    kind: str
    id: UUID
    invoice_id: UUID
    project_key: str
    state: str
    since: datetime
    hint: str
    alike: int = 1


def preview(project_key: str | None = None) -> Iterator[PlannedCharge]:
    """Yield what would be charged now; asks nobody and writes nothing; commits the session.

    :param project_key: Of this project alone.
    """
    keys = None if project_key is None else [project_key]
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    project = table_of(BilledProjectRow)
    query = (
        select(
            invoice.c.project_key,
            invoice.c.id,
            func.coalesce(row.c.remaining, invoice.c.due).label("amount"),
            invoice.c.currency,
            func.coalesce(row.c.billing_info_id, project.c.billing_info_id).label("info_id"),
            project.c.billing_info_id.label("heir_id"),
            row.c.round,
            row.c.retry_at,
            or_(row.c.due_at.is_not(None), project.c.terms_days.is_not(None)).label("on_terms"),
        )
        .join(invoice, invoice.c.id == row.c.invoice_id)
        .join(project, project.c.project_key == invoice.c.project_key)
        .where(row.c.state.in_(["waiting", "past_due"]), *is_due(clock.now()), *of_projects(keys))
        .order_by(invoice.c.id)
        .limit(_AT_ONCE)
    )
    after: UUID | None = None
    while True:
        page = query if after is None else query.where(invoice.c.id > after)
        planned = [_planned(each) for each in projects.connection().execute(page).all()]
        current().db.session.commit()
        if not planned:
            return
        yield from planned
        after = planned[-1].invoice_id


def _planned(row: Any) -> PlannedCharge:
    begins = row.retry_at is not None and row.retry_at <= clock.now()
    connection, round_number = projects.connection(), row.round + begins
    # Who has nothing that could be charged gives way to who pays for the project now.
    methods = methods_of(connection, row.info_id, row.id, round_number) or methods_of(
        connection, row.heir_id, row.id, round_number
    )
    ids = () if row.on_terms else ids_of(methods)
    return PlannedCharge(row.project_key, row.id, row.amount, row.currency, ids)


def stuck(limit: int | None = 50) -> list[Stuck]:
    """Return what has not come to its end in time, the oldest first; commits the session.

    :param limit: How many of each kind at most; `None` for all of them.
    """
    found = [*_invoices(limit), *_attempts(limit)]
    current().db.session.commit()
    return sorted(found, key=lambda each: (each.since, each.id))


def _invoices(limit: int | None) -> Iterator[Stuck]:
    row, now = table_of(InvoiceCollection).c, clock.now()
    is_late = and_(row.state.in_(ACTIVE), row.next_try_at <= now - _UNASKED)
    is_slow = and_(row.state == "processing", row.state_since <= now - _AT_A_BANK)
    lacks_address = and_(row.needs == "address", row.state_since <= now - _UNADDRESSED)
    kinds = (
        ("parked", row.state == "parked", "Look at it, then 'flask billing unpark'."),
        ("late", is_late, "Is 'flask billing run' running?"),
        ("processing", is_slow, "Ask the bank, or look at the processor's dashboard."),
        ("address", lacks_address, "Ask its owner for the address that tax needs."),
        (
            "past_due",
            row.state == "past_due",
            "'flask billing retry', 'write-off' or 'invoices void' with its id.",
        ),
    )
    for kind, condition, hint in kinds:
        yield from _those(condition, kind, hint, limit)


def _those(
    condition: ColumnElement[bool], kind: str, hint: str, limit: int | None
) -> Iterator[Stuck]:
    row, invoice = table_of(InvoiceCollection).c, table_of(Invoice).c
    query = (
        select(row.invoice_id, invoice.project_key, row.state, row.reason, row.state_since, _ALIKE)
        .join(invoice.id.table, invoice.id == row.invoice_id)
        .where(row.livemode == current().settings.livemode, condition)
        .order_by(row.state_since, row.invoice_id)
        .limit(limit)
    )
    for each in projects.connection().execute(query):
        state, since = each.reason or each.state, each.state_since
        id_ = each.invoice_id
        yield Stuck(kind, id_, id_, each.project_key, state, since, hint, each.alike)


def _attempts(limit: int | None) -> Iterator[Stuck]:
    attempt, invoice = table_of(PaymentAttempt).c, table_of(Invoice).c
    row = table_of(InvoiceCollection).c
    query = (
        select(
            attempt.id,
            attempt.invoice_id,
            invoice.project_key,
            attempt.state,
            attempt.created_at,
            _ALIKE,
        )
        .join(invoice.id.table, invoice.id == attempt.invoice_id)
        .join(row.state.table, row.invoice_id == invoice.id)
        .where(
            row.livemode == current().settings.livemode,
            attempt.in_flight_marker == 1,
            attempt.state == "sending",
            attempt.created_at <= clock.now() - _UNKNOWN,
        )
        .order_by(attempt.created_at, attempt.id)
        .limit(limit)
    )
    hint = "'flask billing collect' settles it; look at the invoice at the processor."
    for each in projects.connection().execute(query):
        yield Stuck(
            "attempt",
            each.id,
            each.invoice_id,
            each.project_key,
            each.state,
            each.created_at,
            hint,
            each.alike,
        )
