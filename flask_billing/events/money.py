"""What we do ourselves when the processor tells of invoices, payments and what goes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flask_billing import collecting, refunding
from flask_billing.events.owning import is_ours
from flask_billing.state import current

__all__ = ["MONEY"]

#: Takes the ids of object and customer; says whether the object is ours.
_Told = Callable[[str, str | None], bool]


def _about(object_type: str) -> _Told:
    """Return what is done about an object that belongs to an invoice: the invoice is read."""

    def told(object_id: str, customer_id: str | None) -> bool:
        invoice_id = current().gateway.invoice_id_of(object_type, object_id)
        return _observe(invoice_id, customer_id)

    return told


def _invoice(object_id: str, customer_id: str | None) -> bool:
    return _observe(object_id, customer_id)


def _observe(invoice_id: str | None, customer_id: str | None) -> bool:
    known = invoice_id is not None and collecting.observe(invoice_id)
    return known or _is_of_customer(customer_id)


def _is_of_customer(customer_id: str | None) -> bool:
    """Return whether the host may have made it for a customer of ours: its handlers are told."""
    return customer_id is not None and is_ours(customer_id)


def _refund(object_id: str, customer_id: str | None) -> bool:
    return refunding.observe_refund(object_id) or _is_of_customer(customer_id)


def _credit_note(object_id: str, customer_id: str | None) -> bool:
    return refunding.observe_credit_note(object_id) or _is_of_customer(customer_id)


def _dispute(object_id: str, customer_id: str | None) -> bool:
    return refunding.observe_dispute(object_id) or _is_of_customer(customer_id)


_intent, _charge, _payment = _about("payment_intent"), _about("charge"), _about("invoice_payment")

#: Event types and what is done about each. Of the several that tell of one happening, one or two
#: are enough: each costs a call.
MONEY: Mapping[str, _Told] = {
    "charge.dispute.closed": _dispute,
    "charge.dispute.created": _dispute,
    "charge.dispute.funds_reinstated": _dispute,
    "charge.dispute.funds_withdrawn": _dispute,
    "charge.dispute.updated": _dispute,
    "charge.failed": _charge,
    "charge.refunded": _charge,
    "credit_note.created": _credit_note,
    "credit_note.updated": _credit_note,
    "credit_note.voided": _credit_note,
    "invoice.deleted": _invoice,
    "invoice.finalization_failed": _invoice,
    "invoice.finalized": _invoice,
    "invoice.marked_uncollectible": _invoice,
    "invoice.overdue": _invoice,
    "invoice.overpaid": _invoice,
    "invoice.paid": _invoice,
    "invoice.payment_action_required": _invoice,
    "invoice.payment_failed": _invoice,
    "invoice.voided": _invoice,
    "invoice_payment.paid": _payment,
    "payment_intent.canceled": _intent,
    "payment_intent.payment_failed": _intent,
    "payment_intent.processing": _intent,
    "payment_intent.requires_action": _intent,
    "payment_intent.succeeded": _intent,
    "radar.early_fraud_warning.created": _dispute,
    "radar.early_fraud_warning.updated": _dispute,
    "refund.created": _refund,
    "refund.failed": _refund,
    "refund.updated": _refund,
}
