"""Writes what became of refunds and credit notes when the processor tells of a change."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import ColumnElement, or_, select

from flask_billing import clock, collecting, sync
from flask_billing.gateways import CreditNote
from flask_billing.models import InvoiceCollection, InvoiceRefund
from flask_billing.refunding.rows import Given, load, write
from flask_billing.refunding.sending import Made, look, made_by, record
from flask_billing.state import current

__all__ = ["observe_credit_note", "observe_refund"]


def observe_refund(stripe_id: str) -> bool:
    """Bring everything that hangs on a refund up to what the processor says; commits the session.

    :returns: Whether it is of an invoice of ours.
    :raises GatewayError: The processor refused or did not answer.
    """
    refund = current().gateway.refund(stripe_id)
    if refund is None:
        return False
    for given in _rows(_is_of(InvoiceRefund.stripe_id == stripe_id, refund.local_id)):
        if given.state == "sending" and given.kind == "overpayment":
            record(given, Made(None, stripe_id, refund.amount))
        else:
            look(given)
    return _observe_invoice("refund", stripe_id)


def observe_credit_note(stripe_id: str) -> bool:
    """Bring what hangs on a credit note up to what the processor says; commits the session.

    :returns: Whether it is of an invoice of ours.
    :raises GatewayError: The processor refused or did not answer.
    """
    invoice_stripe_id = current().gateway.invoice_id_of("credit_note", stripe_id)
    if invoice_stripe_id is None:
        return False
    if _is_known(invoice_stripe_id):
        stamp = sync.take_stamp()
        for note in current().gateway.credit_notes(invoice_stripe_id):
            if note.stripe_id == stripe_id:
                _take_over(note, stamp)
    return collecting.observe(invoice_stripe_id)


def _take_over(note: CreditNote, stamp: int) -> None:
    for given in _rows(_is_of(InvoiceRefund.credit_note_id == note.stripe_id, note.local_id)):
        if given.state == "sending":
            record(given, made_by(note))
        elif note.state == "void" and given.state in {"pending", "succeeded"}:
            write(
                given,
                newer_than=stamp,
                state="canceled",
                next_try_at=None,
                ended_at=clock.now(),
            )


def _is_of(by_id: ColumnElement[bool], local_id: str | None) -> ColumnElement[bool]:
    try:
        return or_(by_id, InvoiceRefund.id == UUID(local_id or ""))
    except ValueError:
        return by_id


def _rows(condition: ColumnElement[bool]) -> list[Given]:
    session = current().db.session
    found = list(session.scalars(select(InvoiceRefund.id).where(condition)))
    return [load(refund_id) for refund_id in found]


def _observe_invoice(object_type: str, stripe_id: str) -> bool:
    invoice_stripe_id = current().gateway.invoice_id_of(object_type, stripe_id)
    return invoice_stripe_id is not None and collecting.observe(invoice_stripe_id)


def _is_known(invoice_stripe_id: str) -> bool:
    session = current().db.session
    query = select(InvoiceCollection.invoice_id).where(
        InvoiceCollection.stripe_id == invoice_stripe_id
    )
    known = session.scalar(query) is not None
    session.commit()
    return known
