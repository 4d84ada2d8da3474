"""Reads and writes the rows of what is given back; each write says what it expects to find."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects
from flask_billing.errors import RefundRefused
from flask_billing.ids import uuid7
from flask_billing.models import BillingInfo, InvoiceCollection, InvoiceRefund, table_of
from flask_billing.state import current

__all__ = [
    "LEASE",
    "Given",
    "begin",
    "begin_anew",
    "count_sending",
    "load",
    "park",
    "put_off",
    "write",
]

#: Longer than the calls for one refund usually take: so long nobody else goes on with it.
LEASE = timedelta(minutes=10)


class Given(NamedTuple):
    """Something that is given back, as its row was when it was read."""

    id: UUID
    invoice_id: UUID
    kind: str
    state: str
    amount: int
    currency: str
    reason: str
    made_by: str | None
    intent_id: str | None
    stripe_id: str | None
    balance_transaction_id: str | None
    code: str | None
    created_at: datetime
    sent_at: datetime
    sends: int
    #: The ids of invoice and customer at the gateway.
    invoice_stripe_id: str
    customer_id: str


_OWN = Given._fields[:-2]


def load(refund_id: UUID) -> Given:
    """Return a row as it is now; commits the session."""
    session = current().db.session
    session.commit()
    query = (
        select(
            *(getattr(InvoiceRefund, name) for name in _OWN),
            InvoiceCollection.stripe_id,
            BillingInfo.stripe_id,
        )
        .join(InvoiceCollection, InvoiceCollection.invoice_id == InvoiceRefund.invoice_id)
        .join(BillingInfo, BillingInfo.id == InvoiceCollection.billing_info_id)
        .where(InvoiceRefund.id == refund_id)
    )
    row = session.execute(query).one()
    session.commit()
    return Given._make(row)


def begin(
    invoice_id: UUID,
    *,
    kind: str,
    amount: int,
    currency: str,
    reason: str,
    made_by: str | None = None,
    refund_id: UUID | None = None,
    **more: Any,
) -> UUID:
    """Commit the row of what is to be given back, before the processor hears of it.

    :param refund_id: A row's id that the processor knows already.
    :raises RefundRefused: Another one of this invoice is under way.
    """
    session = current().db.session
    values = _new(
        id=refund_id or uuid7(),
        invoice_id=invoice_id,
        kind=kind,
        amount=amount,
        currency=currency,
        reason=reason,
        made_by=made_by,
    )
    try:
        projects.connection().execute(insert(table_of(InvoiceRefund)).values(values | more))
        session.commit()
    except IntegrityError:
        session.rollback()
        raise RefundRefused(
            f"Another refund of the invoice {invoice_id} is under way. Look again in some minutes."
        ) from None
    found: UUID = values["id"]
    return found


def _new(**values: Any) -> dict[str, Any]:
    now = clock.now()
    return {
        "state": "sending",
        "in_flight_marker": 1,
        "overpayment_marker": 1 if values["kind"] == "overpayment" else None,
        "created_at": now,
        "sent_at": now,
        "sends": 1,
        "stamp": 0,
        "next_try_at": now + LEASE,
    } | values


def begin_anew(given: Given) -> UUID | None:
    """Write that nothing came of a row, and commit another in its place, with a key of its own.

    :returns: `None` where somebody else was faster.
    """
    session = current().db.session
    ended = _update(
        given,
        state="not_executed",
        in_flight_marker=None,
        overpayment_marker=None,
        next_try_at=None,
        ended_at=clock.now(),
    )
    if not ended:
        session.commit()
        return None
    about = ("invoice_id", "kind", "amount", "currency", "reason", "made_by", "intent_id")
    values = _new(id=uuid7(), **{name: getattr(given, name) for name in about})
    projects.connection().execute(insert(table_of(InvoiceRefund)).values(values))
    session.commit()
    found: UUID = values["id"]
    return found


def count_sending(given: Given) -> bool:
    """Write that it is sent once more; commits the session.

    :returns: Whether it still waits for that.
    """
    now = clock.now()
    return write(given, sends=given.sends + 1, sent_at=now, next_try_at=now + LEASE)


def put_off(given: Given, wait: timedelta, code: str | None = None) -> None:
    """Write when somebody has to look again, and what the processor said; commits the session."""
    write(given, next_try_at=clock.now() + wait, code=code or given.code)


def write(given: Given, *, newer_than: int | None = None, **values: Any) -> bool:
    """Write, where the row is in the same state as it was; commits the session.

    :param newer_than: A stamp that the row's own has to be older than; it is written too.
    :returns: Whether it was.
    """
    written = _update(given, newer_than=newer_than, **values)
    current().db.session.commit()
    return written


def _update(given: Given, *, newer_than: int | None = None, **values: Any) -> bool:
    row = table_of(InvoiceRefund)
    changed = update(row).where(row.c.id == given.id, row.c.state == given.state)
    if newer_than is not None:
        changed = changed.where(row.c.stamp < newer_than)
        values["stamp"] = newer_than
    return bool(projects.connection().execute(changed.values(values)).rowcount)


def park(invoice_id: UUID, reason: str) -> bool:
    """Have somebody look at an invoice; commits the session.

    :returns: Whether it was not parked yet.
    """
    row = table_of(InvoiceCollection)
    parked = projects.connection().execute(
        update(row)
        .where(row.c.invoice_id == invoice_id, row.c.state != "parked")
        .values(state="parked", reason=reason, state_since=clock.now(), next_try_at=None)
    )
    current().db.session.commit()
    return bool(parked.rowcount)
