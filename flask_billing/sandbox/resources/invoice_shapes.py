"""The fields of an invoice, when it is new and when it is edited."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import invoice_lines, payment_methods

DAY = 24 * 3600
TERMS = {"days_until_due", "due_date"}
_MOMENTS = ("finalized_at", "marked_uncollectible_at", "paid_at", "voided_at")
_ZERO = (
    "amount_due",
    "amount_overpaid",
    "amount_paid",
    "amount_paid_off_stripe",
    "amount_remaining",
    "amount_shipping",
    "attempt_count",
    "post_payment_credit_notes_amount",
    "pre_payment_credit_notes_amount",
    "subtotal",
    "subtotal_excluding_tax",
    "total",
    "total_excluding_tax",
)
_EMPTY = (
    "account_tax_ids",
    "application",
    "automatically_finalizes_at",
    "customer_account",
    "customer_address",
    "customer_email",
    "customer_name",
    "customer_phone",
    "customer_shipping",
    "customer_tax_exempt",
    "customer_tax_ids",
    "default_payment_method",
    "default_source",
    "description",
    "due_date",
    "effective_at",
    "ending_balance",
    "from_invoice",
    "hosted_invoice_url",
    "invoice_pdf",
    "last_finalization_error",
    "latest_revision",
    "next_payment_attempt",
    "number",
    "on_behalf_of",
    "parent",
    "receipt_number",
    "rendering",
    "shipping_cost",
    "shipping_details",
    "statement_descriptor",
)


def new_fields(call: Call, customer: Obj, currency: str) -> dict[str, Any]:
    """Give the fields of an empty draft of a customer."""
    settings = customer["invoice_settings"]
    return {
        **dict.fromkeys(_EMPTY),
        **dict.fromkeys(_ZERO, 0),
        "account_country": "US",
        "account_name": "Sandbox",
        "attempted": False,
        "auto_advance": False,
        "automatic_tax": {
            "disabled_reason": None,
            "enabled": False,
            "liability": None,
            "provider": None,
            "status": None,
        },
        "billing_reason": "manual",
        "collection_method": "charge_automatically",
        "currency": currency,
        "custom_fields": settings["custom_fields"],
        "customer": customer["id"],
        "default_tax_rates": [],
        "discounts": [],
        "footer": settings["footer"],
        "issuer": {"type": "self"},
        "lines": invoice_lines.first_page("", ()),
        "metadata": {},
        "payment_settings": {
            "default_mandate": None,
            "payment_method_options": None,
            "payment_method_types": None,
        },
        "period_end": call.now,
        "period_start": call.now,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": dict.fromkeys(_MOMENTS),
        "test_clock": call.test_clock,
        "total_discount_amounts": [],
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": call.now,
        "_advancing": False,
        "_asked": 0,
        "_base_url": call.base_url,
        "_days_until_due": None,
    }


def changes_of(call: Call, invoice: Obj, values: dict[str, Any]) -> dict[str, Any]:
    """Give the fields that sent parameters change."""
    left_out = {"currency", "customer", "days_until_due", "pending_invoice_items_behavior"}
    changes = {name: value for name, value in values.items() if name not in left_out}
    if "automatic_tax" in changes:
        liable = {"liability": {"type": "self"}, "provider": "stripe"}
        taxed = changes["automatic_tax"]["enabled"]
        changes["automatic_tax"] = {
            **invoice["automatic_tax"],
            **(liable if taxed else dict.fromkeys(liable)),
            "enabled": taxed,
        }
    if "payment_settings" in changes:
        settings = {**invoice["payment_settings"], **changes["payment_settings"]}
        settings["payment_method_types"] = settings["payment_method_types"] or None
        changes["payment_settings"] = settings
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(invoice["metadata"], changes["metadata"])
    if changes.get("default_payment_method"):
        customer = call.get("customer", invoice["customer"], param="customer")
        param = "default_payment_method"
        payment_methods.require_of(call, changes[param], customer, param)
    return {**changes, **_terms(call, values)}


def _terms(call: Call, values: dict[str, Any]) -> Obj:
    if values.get("days_until_due") is not None:
        days = values["days_until_due"]
        return {"_days_until_due": days, "due_date": call.now + days * DAY}
    return {"_days_until_due": None} if "due_date" in values else {}


def check_terms(method: str | None, values: dict[str, Any]) -> None:
    """Refuse terms of payment for what is charged, and to send an invoice without them."""
    terms = [name for name in sorted(TERMS) if values.get(name) is not None]
    if method == "charge_automatically" and terms:
        raise Problem(
            f"You can only set {terms[0]} if the collection method is `send_invoice`.",
            param=terms[0],
        )
    if method == "send_invoice" and len(terms) != 1:
        raise Problem(
            "If invoices are sent, specify exactly one of `days_until_due` and `due_date`.",
            code="parameter_missing",
            param="days_until_due",
        )
