"""Gives back what reached the processor twice for one invoice, once.

The processor credits what was paid too much to the customer's balance by itself. The later payment
is given back, then that credit is taken off the balance. Where the credit was used meanwhile, or
the payment can't be given back, nothing is done and the invoice is parked: nobody loses anything.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select, update

from flask_billing import clock, collecting
from flask_billing.gateways import RemoteInvoice, RemotePayment, RemoteRefund
from flask_billing.models import (
    BillingInfo,
    Invoice,
    InvoiceCollection,
    InvoiceRefund,
    table_of,
)
from flask_billing.refunding.rows import begin, load
from flask_billing.refunding.sending import park_overpaid, send
from flask_billing.refunding.settling import settle
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["give_back_overpayment", "given_back", "note_another"]

_BEGINNING = datetime.min.replace(tzinfo=UTC)


class _Overpaid(NamedTuple):
    """What was paid too much, and by which payment it is given back."""

    amount: int
    payment: RemotePayment | None


def give_back_overpayment(invoice_id: UUID) -> InvoiceRefund | None:
    """Give back what was paid too much for an invoice; commits the session. May be repeated.

    :returns: The one row of it; `None` where nothing was paid too much.
    :raises RefundRefused: Another refund of this invoice is under way.
    :raises LookupError: There is no such invoice.
    :raises GatewayError: The processor refused or did not answer before anything was asked of it.
    """
    session = require_clean()
    known = _row_of(invoice_id)
    if known is not None:
        return known
    stripe_id, customer_id = _ids(invoice_id)
    remote = current().gateway.invoice(stripe_id)
    overpaid = _overpaid(remote) if remote is not None else None
    if remote is None or overpaid is None:
        # Our row may still say so, and would be asked for time and again.
        collecting.observe(stripe_id)
        return None
    refund_id = _begin(invoice_id, remote, overpaid, customer_id)
    return session.get_one(InvoiceRefund, refund_id, populate_existing=True)


def note_another(invoice_id: UUID) -> bool:
    """Have somebody look at an invoice that was paid too much once more; commits the session.

    An overpayment is given back once an invoice. A row says that this one was not, so that it is
    told of once.

    :returns: Whether there is any.
    """
    state = current()
    row = table_of(InvoiceCollection)
    connection = fresh_connection()
    # Whoever else notes the same waits here, and then finds it noted.
    connection.execute(
        update(row).where(row.c.invoice_id == invoice_id).values(overpaid=row.c.overpaid)
    )
    query = select(row.c.overpaid - given_back(), Invoice.currency)
    found = connection.execute(
        query.join(Invoice, Invoice.id == row.c.invoice_id).where(row.c.invoice_id == invoice_id)
    ).one()
    if not found[0] or found[0] <= 0:
        state.db.session.commit()
        return False
    refund_id = begin(
        invoice_id,
        kind="overpayment",
        amount=int(found[0]),
        currency=found[1],
        reason="overpaid",
        overpayment_marker=None,
        **_refused("paid_again"),
    )
    park_overpaid(load(refund_id))
    return True


def given_back() -> ColumnElement[Any]:
    """Return how much of what was paid too much for an invoice has a row."""
    refund = table_of(InvoiceRefund).c
    return (
        select(func.coalesce(func.sum(refund.amount), 0))
        .where(
            refund.invoice_id == table_of(InvoiceCollection).c.invoice_id,
            refund.kind == "overpayment",
            refund.state != "not_executed",
        )
        .scalar_subquery()
    )


def _row_of(invoice_id: UUID) -> InvoiceRefund | None:
    session = current().db.session
    query = select(InvoiceRefund).where(
        InvoiceRefund.invoice_id == invoice_id, InvoiceRefund.overpayment_marker == 1
    )
    found = session.scalars(query, execution_options={"populate_existing": True}).one_or_none()
    session.commit()
    return found


def _ids(invoice_id: UUID) -> tuple[str, str]:
    session = current().db.session
    query = (
        select(InvoiceCollection.stripe_id, BillingInfo.stripe_id)
        .join(BillingInfo, BillingInfo.id == InvoiceCollection.billing_info_id)
        .where(InvoiceCollection.invoice_id == invoice_id)
    )
    found = session.execute(query).one_or_none()
    session.commit()
    if found is None or found[0] is None:
        raise LookupError(f"There is no invoice {invoice_id} that was issued.")
    return found[0], found[1]


def _overpaid(remote: RemoteInvoice) -> _Overpaid | None:
    """Return what was paid too much, as the processor has it now."""
    paid = [payment for payment in remote.payments if payment.state == "paid"]
    amount = remote.overpaid
    if amount <= 0 and len(paid) > 1:
        amount = sum(payment.amount for payment in paid) - remote.total
    if amount <= 0:
        return None
    # Seconds are all that is known of when; in one of them the list knows the order.
    paid.sort(key=lambda payment: payment.paid_at or payment.created_at or _BEGINNING)
    last = paid[-1] if paid else None
    return _Overpaid(amount, last)


def _begin(invoice_id: UUID, remote: RemoteInvoice, overpaid: _Overpaid, customer_id: str) -> UUID:
    """Commit the one row of an overpayment, and go on with it as far as it goes."""
    given_back = _given_back_before(overpaid)
    refusal = None if given_back else _why_not(overpaid, customer_id)
    ended = {} if refusal is None else _refused(refusal)
    payment = overpaid.payment
    refund_id = begin(
        invoice_id,
        kind="overpayment",
        amount=overpaid.amount,
        currency=remote.currency,
        reason="overpaid",
        refund_id=given_back,
        intent_id=payment.intent_id if payment is not None else None,
        **ended,
    )
    given = load(refund_id)
    if refusal is not None:
        park_overpaid(given)
    elif given_back is not None:
        settle(given)
    else:
        send(given)
    return refund_id


def _refused(code: str) -> dict[str, Any]:
    ended = {"state": "refused", "code": code, "in_flight_marker": None}
    return ended | {"next_try_at": None, "ended_at": clock.now()}


def _given_back_before(overpaid: _Overpaid) -> UUID | None:
    """Return the id of the row that an overpayment was given back by, where that row was lost.

    Our rows may come from a backup; what they did since is in the processor's metadata.
    """
    payment = overpaid.payment
    if payment is None or payment.intent_id is None or not payment.refunded:
        return None
    made = current().gateway.refunds_of(payment.intent_id)
    return next((found for found in map(_row_id, made) if found is not None), None)


def _row_id(refund: RemoteRefund) -> UUID | None:
    if refund.state in {"failed", "canceled"}:
        return None
    try:
        return UUID(refund.local_id or "")
    except ValueError:
        return None


def _why_not(overpaid: _Overpaid, customer_id: str) -> str | None:
    """Return why somebody has to look at an overpayment, in one word; `None` where all is well."""
    payment = overpaid.payment
    if payment is None or payment.intent_id is None:
        return "paid_elsewhere"
    if payment.disputed:
        return "disputed"
    if payment.amount - payment.refunded < overpaid.amount:
        return "refunded_elsewhere"
    if current().gateway.balance(customer_id) > -overpaid.amount:
        return "credit_used"
    return None
