"""What happens when a person completes a Checkout session, with or without a browser."""

from collections.abc import Mapping

from flask_billing.sandbox.bank_accounts import BankAccount
from flask_billing.sandbox.cards import Card
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj
from flask_billing.sandbox.resources import (
    customers,
    kinds,
    payment_methods,
    setup_intents,
    tax_ids,
)

from . import form


class Refused(Exception):
    """The page was not accepted; `errors` says why, by field."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {text}" for name, text in errors.items()))
        self.errors = errors


FIELD_OF_CODE = {
    "incorrect_cvc": "cvc",
    "expired_card": "expiry",
}
# What stands in the form again where the bank refuses; never what proves that one has the card.
_KEPT = (
    "email",
    "name",
    "phone",
    "business_name",
    "individual_name",
    "tax_id",
    "tax_id_type",
    "payment_method_type",
    "expiry",
    *form.ADDRESS_FIELDS,
)


def customer_of(call: Call, session: Obj) -> Obj | None:
    """Give the customer that the session was started for."""
    return call.find("customer", session["customer"])


def pay(call: Call, session: Obj, values: Mapping[str, str]) -> Obj:
    """Take a filled-in page: the session is complete, or its setup intent waits for the bank.

    Raises `Refused` for what the person can put right. After a decline the session stays open.
    """
    customer = customer_of(call, session)
    if customer is not None and customer.get("deleted"):
        raise Refused({"session": "The customer of this session was deleted."})
    filled = form.read(session, customer, values, call.now)
    source = filled.card or filled.bank_account
    if source is None or filled.errors:
        raise Refused(filled.errors)
    _check_tax_id(session, filled)
    intent = call.get("setup_intent", session["setup_intent"])
    call.change(session, _typed=_worth_keeping(filled))
    method = _new_method(call, source, filled, _billing_details(session, customer, filled))
    call.change(method, allow_redisplay=session["_allow_redisplay"])
    setup_intents.attempt(call, intent, method)
    return session if intent["status"] == "requires_action" else _complete(call, session, intent)


def _new_method(
    call: Call, source: Card | BankAccount, filled: form.Filled, billing_details: Obj
) -> Obj:
    if isinstance(source, BankAccount):
        return kinds.new_bank_account(call, source, billing_details=billing_details)
    return kinds.new_card(
        call,
        source,
        exp_month=filled.exp_month,
        exp_year=filled.exp_year,
        billing_details=billing_details,
    )


def authenticate(call: Call, session: Obj, *, passed: bool) -> Obj:
    """Take the person's answer to the bank: the session is complete, or another card is needed."""
    intent = call.get("setup_intent", session["setup_intent"])
    setup_intents.authenticate(call, intent, passed=passed)
    return _complete(call, session, intent)


def refusal(problem: Problem) -> Refused:
    """Give what the page says about a decline."""
    code = str(problem.error.get("code"))
    return Refused({FIELD_OF_CODE.get(code, "number"): str(problem)})


def _billing_details(session: Obj, customer: Obj | None, filled: form.Filled) -> Obj:
    details = filled.billing_details
    return {**details, "email": details["email"] or form.known_email(session, customer)}


def _worth_keeping(filled: form.Filled) -> dict[str, str | None]:
    return {name: filled.text(name) for name in _KEPT}


def _check_tax_id(session: Obj, filled: form.Filled) -> None:
    value = filled.text("tax_id")
    if not session["tax_id_collection"]["enabled"] or value is None:
        return
    try:
        tax_ids.check(filled.text("tax_id_type") or "", value)
    except Problem:
        raise Refused({"tax_id": "This tax id is not valid for the chosen type."}) from None


def _complete(call: Call, session: Obj, intent: Obj) -> Obj:
    typed = session["_typed"]
    customer = customer_of(call, session)
    method = call.get("payment_method", intent["payment_method"])
    email = typed["email"] or form.known_email(session, customer)
    if customer is not None:
        _update_customer(call, session, customer, method)
    elif session["customer_creation"] == "always":
        customer = customers.make(call, {"email": email, "metadata": {}})
        call.change(intent, customer=customer["id"])
        payment_methods.attach_to(call, method, customer["id"])
    added = _add_tax_id(call, session, customer)
    return call.change(
        session,
        "checkout.session.completed",
        status="complete",
        url=None,
        customer=customer["id"] if customer else None,
        customer_details=_customer_details(session, customer, email, added),
        collected_information=_collected(session),
    )


def _customer_details(
    session: Obj, customer: Obj | None, email: str | None, added: list[Obj]
) -> Obj:
    typed = session["_typed"]
    # Stripe fills in no address here in setup mode: it is on the payment method only.
    details = {
        "email": email,
        "name": typed["business_name"] or typed["individual_name"] or typed["name"],
        "phone": typed["phone"],
        "tax_exempt": customer["tax_exempt"] if customer else "none",
        "tax_ids": added,
    }
    if "name_collection" in session:
        details["business_name"] = typed["business_name"]
        details["individual_name"] = typed["individual_name"]
    return details


def _collected(session: Obj) -> Obj:
    typed = session["_typed"]
    return {
        "business_name": typed["business_name"],
        "individual_name": typed["individual_name"],
        "shipping_details": None,
    }


def _update_customer(call: Call, session: Obj, customer: Obj, method: Obj) -> None:
    wanted = session["_customer_update"]
    typed = session["_typed"]
    changes: Obj = {}
    if wanted.get("address") == "auto" and method["billing_details"]["address"]["country"]:
        changes["address"] = method["billing_details"]["address"]
    if wanted.get("name") == "auto":
        changes["name"] = typed["business_name"] or typed["individual_name"] or typed["name"]
        for kind in ("business_name", "individual_name"):
            if typed[kind]:
                changes[kind] = typed[kind]
    if not customer["email"] and typed["email"]:
        changes["email"] = typed["email"]
    customers.revise(call, customer, changes)


def _add_tax_id(call: Call, session: Obj, customer: Obj | None) -> list[Obj]:
    kind, value = session["_typed"]["tax_id_type"], session["_typed"]["tax_id"]
    if not session["tax_id_collection"]["enabled"] or not kind or not value:
        return []
    if customer is not None:
        tax_ids.add(call, customer["id"], kind, value)
    return [{"type": kind, "value": value}]
