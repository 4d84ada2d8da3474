"""What happens when a person pays an invoice on its page, with or without a browser."""

from collections.abc import Mapping

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj
from flask_billing.sandbox.resources import (
    intents,
    invoice_collection,
    invoice_payments,
    kinds,
    payment_intents,
)

from . import form
from .checkout import FIELD_OF_CODE, Refused

NEW_CARD = "new"


def intent_of(call: Call, invoice: Obj) -> Obj | None:
    """Give the payment intent that collects an invoice, while there is one."""
    payment = invoice_payments.default_of(call, invoice["id"])
    return invoice_payments.intent_of(call, payment) if payment else None


def state_of(call: Call, invoice: Obj) -> str:
    """Tell what the page is about: `paid`, `void`, `processing` or `payable`."""
    if invoice["status"] in ("paid", "void"):
        return str(invoice["status"])
    intent = intent_of(call, invoice)
    under_way = intent is not None and intent["status"] == "processing"
    return "processing" if under_way else "payable"


def saved_methods(call: Call, invoice: Obj) -> list[Obj]:
    """Give the customer's payment methods that the invoice can be paid with, oldest first."""
    intent = intent_of(call, invoice)
    allowed = intent["payment_method_types"] if intent else ["card"]
    where = {"customer": invoice["customer"]}
    found = call.store.find(call.scope, "payment_method", where, oldest_first=True)
    return [method for method in found if method["type"] in allowed]


def pay(call: Call, invoice: Obj, values: Mapping[str, str]) -> Obj:
    """Take a filled-in page and give the payment intent, which may wait for the bank.

    Raises `Refused` for what the person can put right, and when there is nothing to be paid.
    """
    state = state_of(call, invoice)
    if state != "payable":
        raise Refused({"invoice": f"This invoice is {state}."})
    method = _chosen(call, invoice, values)
    intent = invoice_collection.default_intent(call, invoice)
    intents.require_kind(intent, method)
    back = invoice["hosted_invoice_url"]
    return payment_intents.charge(call, intent, method, off_session=False, return_url=back)


def _chosen(call: Call, invoice: Obj, values: Mapping[str, str]) -> Obj:
    chosen = values.get("payment_method") or NEW_CARD
    if chosen != NEW_CARD:
        for method in saved_methods(call, invoice):
            if method["id"] == chosen:
                return method
        raise Refused({"payment_method": "Choose one of these."})
    filled = form.read_card(values, call.now)
    if filled.card is None or filled.errors:
        raise Refused(filled.errors)
    return kinds.new_card(
        call,
        filled.card,
        exp_month=filled.exp_month,
        exp_year=filled.exp_year,
        billing_details={"name": invoice["customer_name"], "email": invoice["customer_email"]},
    )


def refusal(problem: Problem, values: Mapping[str, str]) -> Refused:
    """Give what the page says about a decline."""
    code = str(problem.error.get("code"))
    is_new = (values.get("payment_method") or NEW_CARD) == NEW_CARD
    field = FIELD_OF_CODE.get(code, "number") if is_new else "payment_method"
    return Refused({field: str(problem)})
