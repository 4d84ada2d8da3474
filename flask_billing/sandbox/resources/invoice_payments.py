"""Invoice payments: which payment intents pay an invoice.

Finalisation makes the default one, whose payment intent every try to pay uses again and which is
kept at what remains to be paid; others are attached. A payment is `open`, `paid` or `canceled`.
"""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import holds, intents, payment_intents

LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "invoice": params.text(clearable=False),
    "payment": params.group(
        {
            "payment_intent": params.text(clearable=False),
            "type": params.choice("payment_intent", "payment_record"),
        },
        required=("type",),
    ),
    "status": params.choice("canceled", "open", "paid"),
}
# States of an intent in which its invoice can give it up.
_LOOSE = ("requires_payment_method", "requires_confirmation", "requires_action")


def open_default(call: Call, invoice: Obj) -> Obj:
    """Make the payment that collects what an invoice asks for, with its payment intent."""
    intent = payment_intents.make(
        call,
        {
            "amount": invoice["amount_remaining"],
            "capture_method": "automatic",
            "currency": invoice["currency"],
            "customer": invoice["customer"],
            "allowed_payment_method_types": invoice["payment_settings"]["payment_method_types"],
        },
    )
    return link(call, invoice, intent, is_default=True)


def link(call: Call, invoice: Obj, intent: Obj, *, is_default: bool) -> Obj:
    """Have an intent pay an invoice once it succeeds."""
    payment = call.create(
        "invoice_payment",
        "inpay_1",
        {
            "amount_paid": None,
            "amount_requested": intent["amount"],
            "currency": invoice["currency"],
            "invoice": invoice["id"],
            "is_default": is_default,
            "payment": {"payment_intent": intent["id"], "type": "payment_intent"},
            "status": "open",
            "status_transitions": {"canceled_at": None, "paid_at": None},
        },
    )
    call.change(intent, _invoice_payment=payment["id"], _default=is_default)
    return payment


def of_invoice(call: Call, invoice: str) -> list[Obj]:
    """Give all payments of an invoice, newest first."""
    return call.store.find(call.scope, "invoice_payment", {"invoice": invoice})


def default_of(call: Call, invoice: str) -> Obj | None:
    """Give the open default payment of an invoice."""
    opened = (p for p in of_invoice(call, invoice) if p["is_default"] and p["status"] == "open")
    return next(opened, None)


def of_intent(call: Call, intent: Obj) -> Obj | None:
    """Give the payment that an intent makes, if it pays an invoice."""
    return call.find("invoice_payment", intent.get("_invoice_payment"))


def intent_of(call: Call, payment: Obj) -> Obj:
    """Give the intent that makes a payment."""
    return call.get("payment_intent", payment["payment"]["payment_intent"])


def mark_paid(call: Call, payment: Obj, amount: int) -> None:
    """Write that a payment was made; its event is the caller's."""
    moments = {**payment["status_transitions"], "paid_at": call.now}
    call.change(payment, status="paid", amount_paid=amount, status_transitions=moments)


def mark_canceled(call: Call, payment: Obj) -> None:
    """Write that a payment will not be made."""
    moments = {**payment["status_transitions"], "canceled_at": call.now}
    call.change(payment, status="canceled", status_transitions=moments)


def give_up_default(call: Call, invoice: str, reason: str) -> None:
    """Cancel the default payment and its intent, unless the bank works on it."""
    payment = default_of(call, invoice)
    intent = intent_of(call, payment) if payment else None
    if payment is not None and intent is not None and intent["status"] in _LOOSE:
        mark_canceled(call, payment)
        holds.cancel_intent(call, intent, reason)


def give_up_all(call: Call, invoice: str) -> None:
    """Cancel all open payments; intents that were attached are their maker's to cancel."""
    give_up_default(call, invoice, "void_invoice")
    for payment in of_invoice(call, invoice):
        if payment["status"] == "open":
            mark_canceled(call, payment)


def require_idle(call: Call, invoice: str, verb: str) -> None:
    """Refuse to go on while the bank works on the default payment."""
    payment = default_of(call, invoice)
    if payment is not None:
        intents.require_status(intent_of(call, payment), verb, *_LOOSE)


def follow_remaining(call: Call, invoice: Obj) -> None:
    """Keep the default payment at what remains to be paid."""
    payment = default_of(call, invoice["id"])
    intent = intent_of(call, payment) if payment else None
    if payment is not None and intent is not None and intent["status"] in _LOOSE:
        call.change(payment, amount_requested=invoice["amount_remaining"])
        call.change(intent, amount=invoice["amount_remaining"])


@route("GET", "/v1/invoice_payments", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of payments."""
    names = ("invoice", "status")
    where: Obj = {name: call.params[name] for name in names if name in call.params}
    extra, values = [], []
    wanted = call.params.get("payment", {})
    if "type" in wanted:
        where["payment.type"] = wanted["type"]
    if "payment_intent" in wanted:
        intent = call.find("payment_intent", wanted["payment_intent"])
        payment = of_intent(call, intent) if intent else None
        extra.append("id = ?")
        values.append(payment["id"] if payment else "")
    return call.page("invoice_payment", where, extra=extra, values=values)


@route("GET", "/v1/invoice_payments/{invoice_payment}")
def retrieve(call: Call, invoice_payment: str) -> Obj:
    """Give a payment."""
    return call.get("invoice_payment", invoice_payment)


expandable("invoice_payment", "invoice", "payment.payment_intent")
