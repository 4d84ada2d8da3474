"""Reads Stripe's invoices, payments and refunds, of whichever API version, into neutral ones."""

from __future__ import annotations

from typing import Any

from flask_billing.gateways.money import (
    CreditNote,
    InvoiceDocument,
    RemoteCharge,
    RemoteDispute,
    RemoteInvoice,
    RemoteLine,
    RemotePayment,
    RemoteRefund,
)
from flask_billing.gateways.stripe.failing import advises_against_another_try
from flask_billing.gateways.stripe.reading import id_of, local_id_of, moment_of, part_of

__all__ = [
    "PERIOD",
    "PROJECT",
    "charge_of",
    "credit_note_of",
    "dispute_of",
    "document_of",
    "invoice_of",
    "line_of",
    "payments_of",
    "refund_of",
    "warning_of",
]

#: Our own names in the metadata of invoices, beside the one of our row's id.
PROJECT = "flask_billing_project"
PERIOD = "flask_billing_period"


def invoice_of(invoice: Any, payments: tuple[RemotePayment, ...] = ()) -> RemoteInvoice:
    """Return an invoice, with `payments` where they were asked for."""
    turns = part_of(invoice, "status_transitions")
    taxed = part_of(invoice, "automatic_tax", "enabled")
    return RemoteInvoice(
        stripe_id=invoice.id,
        state=invoice.status,
        currency=invoice.currency,
        customer_id=id_of(part_of(invoice, "customer")),
        livemode=invoice.livemode,
        local_id=local_id_of(invoice),
        project_key=part_of(invoice, "metadata", PROJECT),
        period=part_of(invoice, "metadata", PERIOD),
        subtotal=_before_tax(invoice),
        tax=_tax(invoice),
        total=invoice.total,
        paid=invoice.amount_paid,
        remaining=invoice.amount_remaining,
        credited=_credited(invoice),
        overpaid=part_of(invoice, "amount_overpaid") or 0,
        tax_state=part_of(invoice, "automatic_tax", "status") if taxed else None,
        on_terms=part_of(invoice, "collection_method") == "send_invoice",
        due_at=moment_of(part_of(invoice, "due_date")),
        issued_at=moment_of(part_of(turns, "finalized_at")),
        paid_at=moment_of(part_of(turns, "paid_at")),
        payments=payments,
    )


def _before_tax(invoice: Any) -> int:
    """Return what all lines come to, less discounts, without the tax that prices may include."""
    before_tax: int | None = part_of(invoice, "total_excluding_tax")
    subtotal: int = invoice.subtotal
    return subtotal if before_tax is None else before_tax


def _tax(invoice: Any) -> int:
    taxes = part_of(invoice, "total_taxes")
    if taxes is None:
        # Until 2025-03-31.basil.
        taxes = part_of(invoice, "total_tax_amounts") or ()
    return sum(tax.amount for tax in taxes)


def _credited(invoice: Any) -> int:
    """Return what credit notes took off, before and after it was paid."""
    before: int = part_of(invoice, "pre_payment_credit_notes_amount") or 0
    after: int = part_of(invoice, "post_payment_credit_notes_amount") or 0
    return before + after


def payments_of(payments: Any) -> tuple[RemotePayment, ...]:
    """Return payments oldest first; Stripe lists them newest first, and dates them in seconds."""
    newest_first = sorted(payments, key=lambda payment: payment.created, reverse=True)
    return tuple(_payment_of(payment) for payment in newest_first)[::-1]


def _payment_of(payment: Any) -> RemotePayment:
    intent = part_of(payment, "payment", "payment_intent")
    charge = part_of(intent, "latest_charge") or part_of(payment, "payment", "charge")
    error = part_of(intent, "last_payment_error")
    code, decline_code = _reasons(charge, error)
    paid = part_of(payment, "amount_paid")
    return RemotePayment(
        stripe_id=payment.id,
        state=payment.status,
        amount=payment.amount_requested if paid is None else paid,
        intent_id=id_of(intent),
        intent_state=part_of(intent, "status") or "",
        charge_id=id_of(charge),
        method_id=_method_of(charge, intent, error),
        refunded=part_of(charge, "amount_refunded") or 0,
        disputed=bool(part_of(charge, "disputed")),
        code=code,
        decline_code=decline_code,
        paid_at=moment_of(part_of(payment, "status_transitions", "paid_at")),
        created_at=moment_of(part_of(payment, "created")),
    )


def _method_of(charge: Any, intent: Any, error: Any) -> str | None:
    # An intent whose charge failed has put its method aside, and names it in the error alone.
    return (
        id_of(part_of(charge, "payment_method"))
        or id_of(part_of(intent, "payment_method"))
        or id_of(part_of(error, "payment_method"))
    )


def _reasons(charge: Any, error: Any) -> tuple[str | None, str | None]:
    """Return why a charge failed: its code, and the bank's own reason."""
    if part_of(charge, "status") == "failed":
        return part_of(charge, "failure_code"), part_of(charge, "outcome", "reason")
    if charge is not None and part_of(error, "charge") == id_of(charge):
        return part_of(error, "code"), part_of(error, "decline_code")
    return None, None


def charge_of(charge: Any) -> RemoteCharge:
    """Return one try to take money."""
    code, decline_code = _reasons(charge, None)
    advice = part_of(charge, "outcome", "advice_code")
    return RemoteCharge(
        stripe_id=charge.id,
        state=charge.status,
        method_id=id_of(part_of(charge, "payment_method")),
        amount=charge.amount,
        refunded=charge.amount_refunded,
        intent_id=id_of(part_of(charge, "payment_intent")),
        disputed=bool(part_of(charge, "disputed")),
        code=code,
        decline_code=decline_code,
        never_again=advises_against_another_try(decline_code, advice),
        created_at=moment_of(part_of(charge, "created")),
    )


def line_of(line: Any) -> RemoteLine:
    """Return a line of an invoice."""
    return RemoteLine(stripe_id=line.id, local_id=local_id_of(line), amount=line.amount)


def document_of(invoice: Any) -> InvoiceDocument:
    """Return what a person sees of an invoice."""
    return InvoiceDocument(
        number=invoice.number or "",
        page_url=part_of(invoice, "hosted_invoice_url"),
        pdf_url=part_of(invoice, "invoice_pdf"),
        recipient=part_of(invoice, "customer_name") or part_of(invoice, "customer_email") or "",
    )


def refund_of(refund: Any) -> RemoteRefund:
    """Return money that goes back."""
    return RemoteRefund(
        stripe_id=refund.id,
        state=refund.status,
        amount=refund.amount,
        intent_id=id_of(part_of(refund, "payment_intent")),
        local_id=local_id_of(refund),
        code=part_of(refund, "failure_reason"),
    )


def credit_note_of(note: Any) -> CreditNote:
    """Return a correction of an invoice, with the refunds that it made."""
    made = [part_of(made, "refund") for made in part_of(note, "refunds") or ()]
    # Until 2025-03-31.basil there was one at most, with a name of its own.
    ids = [id_of(refund) for refund in [*made, part_of(note, "refund")]]
    return CreditNote(
        stripe_id=note.id,
        state=note.status,
        amount=note.amount,
        invoice_id=id_of(note.invoice) or "",
        local_id=local_id_of(note),
        refund_ids=tuple(refund_id for refund_id in ids if refund_id is not None),
    )


def dispute_of(dispute: Any) -> RemoteDispute:
    """Return a payment that a bank asks to give back; its charge is expanded."""
    return RemoteDispute(
        kind="dispute",
        state=dispute.status,
        reason=part_of(dispute, "reason"),
        amount=dispute.amount,
        currency=dispute.currency,
        respond_by=moment_of(part_of(dispute, "evidence_details", "due_by")),
        **_complained_of(dispute),
    )


def warning_of(warning: Any) -> RemoteDispute:
    """Return a payment that a bank warns of; its charge is expanded."""
    return RemoteDispute(
        kind="fraud_warning",
        state="warning",
        reason=part_of(warning, "fraud_type"),
        **_complained_of(warning),
    )


def _complained_of(complaint: Any) -> dict[str, Any]:
    charge = part_of(complaint, "charge")
    intent = part_of(complaint, "payment_intent") or part_of(charge, "payment_intent")
    return {
        "stripe_id": complaint.id,
        "charge_id": id_of(charge),
        "intent_id": id_of(intent),
        "method_id": id_of(part_of(charge, "payment_method")),
    }
