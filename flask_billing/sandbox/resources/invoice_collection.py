"""Collecting an invoice: charging its default payment intent, on request or by itself."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import intents, invoice_payments, invoice_states, payment_intents, payment_methods

HOUR = 3600
PAY: params.Declared = {
    "forgive": params.boolean,
    "mandate": params.text(),
    "off_session": params.boolean,
    "paid_out_of_band": params.boolean,
    "payment_method": params.text(clearable=False),
}


def collect(
    call: Call,
    invoice: Obj,
    payment_method: str | None = None,
    *,
    off_session: bool = True,
    return_url: str | None = None,
) -> Obj:
    """Charge what remains of an invoice, to the default payment method unless one is named.

    Raises the decline, and the 402 that sends the customer to the bank. A debit that is under way
    leaves the invoice open, and nothing else can be tried meanwhile.
    """
    if invoice["status"] == "draft":
        invoice_states.finalize(call, invoice)
        if invoice["status"] == "paid":
            return invoice
    _require_payable(invoice)
    method = _choose(call, invoice, payment_method)
    invoice_payments.require_idle(call, invoice["id"], "confirm")
    intent = default_intent(call, invoice)
    intents.require_kind(intent, method)
    payment_intents.charge(
        call,
        intent,
        method,
        off_session=off_session,
        return_url=return_url or invoice["hosted_invoice_url"],
        wait_for_bank=True,
    )
    if intent["status"] == "requires_action":
        raise _needs_customer(intent, method)
    return call.get("invoice", invoice["id"])


def _require_payable(invoice: Obj) -> None:
    if invoice["status"] == "paid":
        raise Problem("Invoice is already paid")
    if invoice["status"] == "void":
        raise Problem("This invoice can no longer be paid")


def _choose(call: Call, invoice: Obj, given: str | None) -> Obj:
    customer = call.get("customer", invoice["customer"], param="customer")
    chosen = given or invoice["default_payment_method"]
    chosen = chosen or customer["invoice_settings"]["default_payment_method"]
    if chosen is None:
        raise Problem(
            "There is no `default_payment_method` set on this Customer or Invoice. Please set one, "
            "or pass a `payment_method`.",
            code="resource_missing",
        )
    return payment_methods.require_of(call, chosen, customer, "payment_method")


def default_intent(call: Call, invoice: Obj) -> Obj:
    """Give the intent that every try to pay an invoice uses."""
    """Give the payment intent that every try to pay an invoice uses."""
    payment = invoice_payments.default_of(call, invoice["id"])
    if payment is None:
        payment = invoice_payments.open_default(call, invoice)
    return invoice_payments.intent_of(call, payment)


def _needs_customer(intent: Obj, method: Obj) -> Problem:
    return Problem(
        "This payment requires additional user action before it can be completed successfully. "
        "Payment can be completed using the PaymentIntent associated with this invoice.",
        status=402,
        type="card_error",
        code="invoice_payment_intent_requires_action",
        keep=True,
        payment_intent=intent,
        payment_method=method,
    )


@route("POST", "/v1/invoices/{invoice}/pay", PAY)
def pay(call: Call, invoice: str) -> Obj:
    """Charge an invoice, or write that it was paid elsewhere."""
    found = call.get("invoice", invoice)
    if not call.params.get("paid_out_of_band"):
        return collect(
            call,
            found,
            call.params.get("payment_method"),
            off_session=call.params.get("off_session", True),
        )
    if found["status"] == "draft":
        invoice_states.finalize(call, found)
    _require_payable(found)
    invoice_payments.require_idle(call, invoice, "cancel")
    return invoice_states.pay_off_stripe(call, found)


@route(
    "POST",
    "/v1/invoices/{invoice}/attach_payment",
    {"payment_intent": params.text(clearable=False)},
)
def attach_payment(call: Call, invoice: str) -> Obj:
    """Have a payment intent pay an invoice, wholly or in part; what it has collected counts."""
    found = call.get("invoice", invoice)
    params.require(call.params, "payment_intent")
    intent = call.get("payment_intent", call.params["payment_intent"], param="payment_intent")
    _require_attachable(found, intent)
    payment = invoice_payments.link(call, found, intent, is_default=False)
    if intent["status"] != "succeeded":
        return found
    call.change(payment, amount_requested=intent["amount_received"])
    return invoice_states.apply_payment(call, found, intent, intent["amount_received"])


def _require_attachable(invoice: Obj, intent: Obj) -> None:
    param = "payment_intent"
    if invoice["status"] not in ("open", "uncollectible"):
        raise Problem(
            "You can only attach payments to open or uncollectible invoices. This invoice is "
            f"{invoice['status']}."
        )
    if intent.get("_invoice_payment"):
        raise Problem("This PaymentIntent is already attached to an invoice.", param=param)
    if intent["status"] == "canceled":
        raise Problem("A canceled PaymentIntent can't be attached to an invoice.", param=param)
    if intent["customer"] != invoice["customer"] or intent["currency"] != invoice["currency"]:
        raise Problem(
            "The customer and the currency of the PaymentIntent must be those of the invoice.",
            param=param,
        )


def advance_later(call: Call, invoice: Obj) -> None:
    """Have an invoice collected by itself in an hour, if it is to be."""
    waits = invoice["auto_advance"] and invoice["status"] in ("draft", "open")
    if waits and not invoice["_advancing"]:
        finalizes_at = call.now + HOUR if invoice["status"] == "draft" else None
        call.change(invoice, automatically_finalizes_at=finalizes_at, _advancing=True)
        call.schedule(HOUR, "advance_invoice", invoice)


@due_action("advance_invoice")
def _advance(call: Call, invoice: Obj) -> None:
    call.change(invoice, _advancing=False)
    if not invoice["auto_advance"]:
        return
    call.base_url = invoice["_base_url"]
    try:
        if invoice["status"] == "draft":
            invoice_states.finalize(call, invoice)
        if invoice["status"] == "open" and invoice["collection_method"] == "send_invoice":
            call.emit("invoice.sent", invoice)
        elif invoice["status"] == "open" and not invoice["attempted"]:
            collect(call, invoice)
    except Problem:
        # What came of it is written; there is nobody to tell.
        return
