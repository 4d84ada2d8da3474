"""Tells how the money of one invoice came in, from the rows alone: ids, amounts and codes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import select

from flask_billing import auditing, refunding
from flask_billing.cli.amounts import amount_of
from flask_billing.models import (
    Dispute,
    Invoice,
    InvoiceCollection,
    InvoicePayment,
    Notification,
    PaymentAttempt,
)
from flask_billing.state import current

__all__ = ["Happening", "standing", "state_of", "timeline"]

#: More than staff can have done to one invoice.
_DEEDS = 1000
_REFUNDS = {
    "refund": "given back",
    "credit": "taken off what is to be paid",
    "overpayment": "paid twice, given back",
}


class Happening(NamedTuple):
    """What happened to an invoice, and when."""

    at: datetime
    text: str


def state_of(invoice: Invoice) -> str:
    """Return an invoice's state, with how its money comes in while it does."""
    row: InvoiceCollection | None = invoice.collection
    if row is None or row.state == "done":
        return invoice.state
    return f"{invoice.state} ({row.state})"


def standing(invoice: Invoice) -> Iterator[str]:
    """Yield how the money of an invoice comes in now; nothing where none is due."""
    row = invoice.collection
    if row is None:
        return
    reason = f" ({row.reason})" if row.reason else ""
    yield f"Collecting: {row.state}{reason}"
    if row.needs:
        yield f"Its owner has to give: {row.needs}"
    if row.next_try_at is not None:
        yield f"Looked at again: {row.next_try_at:%Y-%m-%d %H:%M:%SZ}"
    if row.error_code is not None:
        yield f"Stripe failed: {row.error_code} ({row.failures} times)"
    if row.stripe_id is not None:
        yield f"At Stripe: {row.stripe_id} ({row.remote_state})"
    sums = {
        "with tax": row.total,
        "paid": row.paid,
        "credited": row.credited,
        "left to be paid": None if invoice.state == "void" else row.remaining,
        "paid too much": row.overpaid,
    }
    for text, amount in sums.items():
        if amount:
            yield f"{text}: {amount_of(amount, invoice.currency)}"


def timeline(invoice: Invoice) -> list[Happening]:
    """Return what happened to an invoice, the first first."""
    found = [
        *_beginning(invoice),
        *_deeds(invoice.id),
        *_attempts(invoice.id),
        *_payments(invoice.id),
        *_end(invoice),
        *_given_back(invoice.id),
        *_disputes(invoice.id),
        *_told(invoice.id),
    ]
    # Stripe's times are whole seconds: what happened in the same one stays in the order of causes.
    return sorted(found, key=lambda each: each.at.replace(microsecond=0))


def _beginning(invoice: Invoice) -> Iterator[Happening]:
    yield Happening(invoice.closed_at, "closed")
    row: InvoiceCollection | None = invoice.collection
    if row is not None and row.issued_at is not None:
        yield Happening(row.issued_at, "issued")


def _end(invoice: Invoice) -> Iterator[Happening]:
    if invoice.collection is not None:
        yield Happening(invoice.collection.state_since, _turned(invoice.collection))
    if invoice.voided_at is not None:
        yield Happening(invoice.voided_at, "void")


def _turned(row: InvoiceCollection) -> str:
    needs = f", needs {row.needs}" if row.needs else ""
    reason = f" ({row.reason})" if row.reason else ""
    return f"{row.state}{reason}{needs}"


def _attempts(invoice_id: UUID) -> Iterator[Happening]:
    for attempt in _rows(PaymentAttempt, invoice_id):
        amount = amount_of(attempt.amount, attempt.currency)
        codes = "/".join(filter(None, (attempt.code, attempt.decline_code)))
        why = f" ({codes}{', never again' if attempt.never_again else ''})" if codes else ""
        by = f" by {attempt.made_by}" if attempt.made_by else ""
        yield Happening(
            attempt.created_at,
            f"try {attempt.id} of {amount} on {attempt.payment_method_id}, for the "
            f"{attempt.origin}{by}: {attempt.state}{why}",
        )


def _payments(invoice_id: UUID) -> Iterator[Happening]:
    for payment in _rows(InvoicePayment, invoice_id):
        if payment.paid_at is not None:
            amount = amount_of(payment.amount, payment.currency)
            disputed = ", disputed" if payment.disputed else ""
            yield Happening(
                payment.paid_at,
                f"payment {payment.stripe_id} of {amount}: {payment.state}{disputed}",
            )


def _given_back(invoice_id: UUID) -> Iterator[Happening]:
    for refund in refunding.refunds_of(invoice_id):
        by = f" by {refund.made_by}" if refund.made_by else ""
        code = f" ({refund.code})" if refund.code else ""
        kind = _REFUNDS.get(refund.kind, refund.kind)
        yield Happening(
            refund.created_at,
            f"{kind} {refund.id} of {amount_of(refund.amount, refund.currency)}, {refund.reason}"
            f"{by}: {refund.state}{code}",
        )


def _disputes(invoice_id: UUID) -> Iterator[Happening]:
    for dispute in _rows(Dispute, invoice_id):
        yield Happening(dispute.created_at, f"{dispute.kind} {dispute.stripe_id}: {dispute.state}")


def _told(invoice_id: UUID) -> Iterator[Happening]:
    for note in _rows(Notification, invoice_id):
        yield Happening(
            note.ended_at or note.created_at, f"told {note.role} of {note.kind}: {note.state}"
        )


def _deeds(invoice_id: UUID) -> Iterator[Happening]:
    for entry in auditing.entries(object_type="invoice", object_id=invoice_id, limit=_DEEDS):
        by = f" by {entry.made_by}" if entry.made_by else ""
        why = f", {entry.reason}" if entry.reason else ""
        yield Happening(entry.made_at, f"staff: {entry.action}{by}{why}: {entry.outcome}")


def _rows(model: Any, invoice_id: UUID) -> list[Any]:
    query = select(model).where(model.invoice_id == invoice_id).order_by(model.id)
    return list(current().db.session.scalars(query, execution_options={"populate_existing": True}))
