"""Invoices: what a customer is asked to pay, from draft to payment.

For the modules that build on invoices:

- `recount(call, invoice)` writes what follows from its lines, payments and credit notes (set
  `pre_payment_credit_notes_amount` first): totals of a draft; afterwards `amount_due`,
  `amount_paid`, `amount_remaining`, and the status `paid` with its events once nothing remains.
- `apply_payment(call, invoice, payment_intent, amount)` credits what an intent has collected,
  attached or not; more than remains goes to the customer's balance.
- `collect(call, invoice, payment_method, off_session=…)` charges its default payment intent.

An invoice's default payment intent is found by `invoice_payments.default_of` and `intent_of`.
"""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import (
    invoice_drafts,
    invoice_items,
    invoice_lines,
    invoice_payments,
    invoice_shapes,
    invoice_states,
)
from .invoice_collection import advance_later, collect
from .invoice_states import apply_payment, recount

__all__ = ["apply_payment", "collect", "recount"]

_METHODS = params.choice("charge_automatically", "send_invoice")
_SETTINGS = params.group(
    {
        "default_mandate": params.text(),
        "payment_method_types": params.array(params.text(clearable=False)),
    }
)
UPDATE: params.Declared = {
    "auto_advance": params.boolean,
    "automatic_tax": params.group({"enabled": params.boolean}, required=("enabled",)),
    "collection_method": _METHODS,
    "custom_fields": params.array(
        params.group(
            {"name": params.text(40), "value": params.text(140)}, required=("name", "value")
        ),
        limit=4,
    ),
    "days_until_due": params.integer(0),
    "default_payment_method": params.text(),
    "description": params.text(1500),
    # Nothing here can be discounted, so none may be named.
    "discounts": params.array(params.text(), limit=0),
    "due_date": params.integer(0),
    "effective_at": params.integer(0),
    "footer": params.text(),
    "metadata": params.metadata,
    "number": params.text(26),
    "payment_settings": _SETTINGS,
    "statement_descriptor": params.text(22),
}
CREATE: params.Declared = {
    **UPDATE,
    "currency": params.text(3, clearable=False),
    "customer": params.text(clearable=False),
    "pending_invoice_items_behavior": params.choice("exclude", "include"),
}
LIST: params.Declared = {
    **params.PAGE,
    "collection_method": _METHODS,
    "created": params.created,
    "customer": params.text(clearable=False),
    "status": params.choice("draft", "open", "paid", "uncollectible", "void"),
    "subscription": params.text(clearable=False),
}
# What finalisation fixes.
_FIXED = {"automatic_tax", "collection_method", "effective_at", "number", *invoice_shapes.TERMS}


@route("POST", "/v1/invoices", CREATE)
def create(call: Call) -> Obj:
    """Make a draft, empty or of the items that wait."""
    values = call.params
    params.require(values, "customer")
    customer = call.get("customer", values["customer"], param="customer")
    invoice_shapes.check_terms(values.get("collection_method", "charge_automatically"), values)
    currency = (values.get("currency") or customer["currency"] or "usd").lower()
    waiting = []
    if values.get("pending_invoice_items_behavior") == "include":
        waiting = invoice_items.pending_of(call, customer["id"], currency)
    invoice = call.create("invoice", "in_1", invoice_shapes.new_fields(call, customer, currency))
    call.change(invoice, **invoice_shapes.changes_of(call, invoice, values))
    for item in waiting:
        call.change(item, invoice=invoice["id"])
        invoice_lines.add(call, invoice, item)
    call.change(invoice, **invoice_drafts.totals_of(call, invoice))
    call.emit("invoice.created", invoice)
    advance_later(call, invoice)
    return invoice


@route("GET", "/v1/invoices", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of invoices, newest first."""
    names = ("collection_method", "customer", "status")
    where = {name: call.params[name] for name in names if name in call.params}
    if "subscription" in call.params:
        where["parent.subscription_details.subscription"] = call.params["subscription"]
    return call.page("invoice", where)


@route("GET", "/v1/invoices/{invoice}")
def retrieve(call: Call, invoice: str) -> Obj:
    """Give an invoice; a draft has the customer's details and tax of now."""
    found = call.get("invoice", invoice)
    if found["status"] == "draft":
        call.change(found, **invoice_drafts.totals_of(call, found))
    return found


@route("POST", "/v1/invoices/{invoice}", UPDATE)
def update(call: Call, invoice: str) -> Obj:
    """Change a draft, or what finalisation does not fix."""
    found = call.get("invoice", invoice)
    values = call.params
    if found["status"] != "draft" and values.keys() & _FIXED:
        invoice_drafts.require_draft(found)
    if values.keys() & {"collection_method", "days_until_due", "due_date"}:
        method = values.get("collection_method", found["collection_method"])
        known = {"due_date": found["due_date"]} if found["due_date"] else {}
        invoice_shapes.check_terms(
            method, values if values.keys() & invoice_shapes.TERMS else known
        )
    changes = invoice_shapes.changes_of(call, found, values)
    if found["status"] == "draft":
        kept = {**found, **changes}
        changes.update(invoice_drafts.totals_of(call, kept))
    if values.get("auto_advance") is False:
        changes["automatically_finalizes_at"] = None
    call.change(found, "invoice.updated", **changes)
    if values.get("auto_advance"):
        advance_later(call, found)
    return found


@route("DELETE", "/v1/invoices/{invoice}")
def delete(call: Call, invoice: str) -> Obj:
    """Delete a draft with its items."""
    found = call.get("invoice", invoice)
    if found["status"] != "draft":
        raise Problem(
            "You can only delete draft invoices. Void this one instead.",
            code="invoice_not_editable",
        )
    for line in invoice_lines.lines_of(call, invoice):
        invoice_items.take_off(call, call.get("invoiceitem", line["_item"]))
    call.emit("invoice.deleted", found)
    call.store.remove(invoice)
    return {"id": invoice, "object": "invoice", "deleted": True}


@route("POST", "/v1/invoices/{invoice}/finalize", {"auto_advance": params.boolean})
def finalize(call: Call, invoice: str) -> Obj:
    """Fix a draft's amounts; the answer can already be paid."""
    found = call.get("invoice", invoice)
    invoice_states.finalize(call, found, auto_advance=call.params.get("auto_advance"))
    advance_later(call, found)
    return found


@route("POST", "/v1/invoices/{invoice}/send")
def send(call: Call, invoice: str) -> Obj:
    """Send an invoice to its customer, as far as a sandbox sends."""
    found = call.get("invoice", invoice)
    if found["collection_method"] != "send_invoice":
        raise Problem(
            "You can only manually send an invoice if its collection method is `send_invoice`."
        )
    if found["status"] == "draft":
        invoice_states.finalize(call, found)
    call.emit("invoice.sent", found)
    return found


@route("POST", "/v1/invoices/{invoice}/void")
def void(call: Call, invoice: str) -> Obj:
    """Take an invoice back."""
    return invoice_states.void(call, call.get("invoice", invoice))


@route("POST", "/v1/invoices/{invoice}/mark_uncollectible")
def mark_uncollectible(call: Call, invoice: str) -> Obj:
    """Write an invoice off."""
    return invoice_states.mark_uncollectible(call, call.get("invoice", invoice))


def _payments_of(call: Call, invoice: Obj) -> Obj:
    found = invoice_payments.of_invoice(call, invoice["id"])
    return {
        "object": "list",
        "data": found[:10],
        "has_more": len(found) > 10,
        "url": "/v1/invoice_payments",
    }


def _secret_of(call: Call, invoice: Obj) -> Obj | None:
    payment = invoice_payments.default_of(call, invoice["id"])
    if payment is None:
        return None
    secret = invoice_payments.intent_of(call, payment)["client_secret"]
    return {"client_secret": secret, "type": "payment_intent"}


expandable(
    "invoice",
    "customer",
    "default_payment_method",
    payments=_payments_of,
    confirmation_secret=_secret_of,
)
