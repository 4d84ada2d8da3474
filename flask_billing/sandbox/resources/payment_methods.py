"""Payment methods: cards and bank accounts saved from Stripe's test numbers."""

from typing import Any

from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS, iban_of
from flask_billing.sandbox.cards import CARDS, TOKENS
from flask_billing.sandbox.declines import DECLINES
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import kinds

_REDISPLAY = params.choice("always", "limited", "unspecified")
UPDATE: params.Declared = {
    "allow_redisplay": _REDISPLAY,
    "billing_details": params.group(kinds.BILLING_DETAILS),
    "card": params.group({"exp_month": params.integer(1, 12), "exp_year": params.integer(0)}),
    "metadata": params.metadata,
}
CREATE: params.Declared = {
    "type": params.choice(*kinds.KINDS),
    "card": params.group({"token": params.text()}),
    "sepa_debit": params.group({"iban": params.text(clearable=False)}, required=("iban",)),
    "billing_details": params.group(kinds.BILLING_DETAILS),
    "allow_redisplay": _REDISPLAY,
    "metadata": params.metadata,
}
LIST: params.Declared = {
    **params.PAGE,
    "type": params.text(clearable=False),
    "allow_redisplay": _REDISPLAY,
}


def resolve(call: Call, given: str, *, param: str = "payment_method") -> Obj:
    """Give the payment method for an id, or a new one for a test token such as `pm_card_visa`."""
    return kinds.of_token(call, given) or call.get("payment_method", given, param=param)


def require_fresh(payment_method: Obj) -> None:
    """Refuse a payment method that was detached, or used without a customer."""
    if payment_method["_spent"]:
        raise Problem(
            "This PaymentMethod was previously used without being attached to a Customer or was "
            "detached from a Customer, and may not be used again.",
            code="payment_method_unexpected_state",
            param="payment_method",
        )


def require_of(call: Call, given: str, customer: Obj, param: str) -> Obj:
    """Give a payment method of a customer, or refuse another's and one that was detached."""
    found = call.get("payment_method", given, param=param)
    if found["customer"] != customer["id"]:
        raise Problem(
            f"The customer does not have a payment method with the ID {given}. The payment method "
            "must be attached to the customer.",
            code="resource_missing",
            param=param,
        )
    return found


def attach_to(call: Call, payment_method: Obj, customer: str) -> Obj:
    """Attach a payment method to a customer; declining cards are refused."""
    require_fresh(payment_method)
    owner = payment_method["customer"]
    if owner not in (None, customer):
        raise Problem(
            "The payment method you provided has already been attached to a customer.",
            code="payment_method_unexpected_state",
        )
    if payment_method["type"] == "card" and (decline := kinds.card_of(payment_method).setup):
        raise DECLINES[decline].problem()
    if owner == customer:
        return payment_method
    return call.change(payment_method, "payment_method.attached", customer=customer)


def detach_from(call: Call, payment_method: Obj) -> Obj:
    """Detach a payment method for good; nobody has it as the default any more."""
    customer = call.find("customer", payment_method["customer"])
    call.change(payment_method, customer=None, _spent=True)
    previous = {"customer": customer["id"] if customer else None}
    call.emit("payment_method.detached", payment_method, previous)
    settings = customer["invoice_settings"] if customer else {}
    if customer and settings["default_payment_method"] == payment_method["id"]:
        settings = {**settings, "default_payment_method": None}
        call.change(customer, "customer.updated", invoice_settings=settings)
    return payment_method


def update_automatically(
    engine: Engine,
    payment_method: str,
    *,
    exp_month: int | None = None,
    exp_year: int | None = None,
    number: str | None = None,
) -> None:
    """Write what a card network tells of a renewed card; `number` is that of another test card.

    Raises `LookupError` for a payment method that is not attached to a customer.
    """
    located = engine.store.locate(payment_method)
    if located is None or not (located[1].get("card") and located[1]["customer"]):
        raise LookupError(f"No card {payment_method} is attached to a customer.")
    with engine.step(located[0], "") as call:
        found = call.get("payment_method", payment_method)
        card = CARDS[number or found["_number"]]
        renewed = {
            "brand": card.brand,
            "exp_month": exp_month or found["card"]["exp_month"],
            "exp_year": exp_year or found["card"]["exp_year"],
            "fingerprint": card.fingerprint(call.scope.account),
            "last4": card.last4,
        }
        call.change(
            found,
            "payment_method.automatically_updated",
            card={**found["card"], **renewed},
            _number=card.number,
        )


def page(call: Call, customer: str | None) -> Obj:
    """Give a page of payment methods with the filters that were sent."""
    names = ("type", "allow_redisplay")
    where: dict[str, Any] = {name: call.params[name] for name in names if name in call.params}
    if customer is not None:
        where["customer"] = customer
    return call.page("payment_method", where)


@route("POST", "/v1/payment_methods", CREATE)
def create(call: Call) -> Obj:
    """Make a payment method of a test token such as `tok_visa`, or of a test bank account."""
    params.require(call.params, "type")
    params.require(call.params, call.params["type"])
    made = _new_card(call) if call.params["type"] == "card" else _new_bank_account(call)
    rest = {k: v for k, v in call.params.items() if k in ("allow_redisplay", "metadata")}
    return call.change(made, **rest)


def _new_card(call: Call) -> Obj:
    token = call.params["card"].get("token") or ""
    card = TOKENS.get(token.replace("tok_", "pm_card_", 1)) if token.startswith("tok_") else None
    if card is None:
        raise Problem(f"No such token: '{token}'", code="resource_missing", param="card[token]")
    return kinds.new_card(call, card, billing_details=call.params.get("billing_details"))


def _new_bank_account(call: Call) -> Obj:
    account = BANK_ACCOUNTS.get(iban_of(call.params["sepa_debit"]["iban"]))
    if account is None:
        raise Problem("The IBAN is none of Stripe's test accounts.", param="sepa_debit[iban]")
    return kinds.new_bank_account(call, account, billing_details=call.params.get("billing_details"))


@route("GET", "/v1/payment_methods", {**LIST, "customer": params.text(clearable=False)})
def list_all(call: Call) -> Obj:
    """Give a page of payment methods, of one customer or of all."""
    customer = call.params.get("customer")
    if customer is not None:
        call.get("customer", customer, param="customer")
    return page(call, customer)


@route("GET", "/v1/payment_methods/{payment_method}")
def retrieve(call: Call, payment_method: str) -> Obj:
    """Give a payment method; a test token gives a new one."""
    return resolve(call, payment_method, param="id")


@route("POST", "/v1/payment_methods/{payment_method}", UPDATE)
def update(call: Call, payment_method: str) -> Obj:
    """Change what can be changed of an attached payment method."""
    found = call.get("payment_method", payment_method)
    if found["customer"] is None:
        raise Problem(
            "You must save this PaymentMethod to a customer before you can update it.",
            code="payment_method_unexpected_state",
        )
    changes = dict(call.params)
    if "card" in changes:
        if found["type"] != "card":
            raise Problem("Only a payment method of type card takes this.", param="card")
        changes["card"] = {**found["card"], **changes["card"]}
    if "billing_details" in changes:
        changes["billing_details"] = _merged_details(found, changes["billing_details"])
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(found["metadata"], changes["metadata"])
    return call.change(found, "payment_method.updated", **changes)


def _merged_details(payment_method: Obj, given: dict[str, Any]) -> dict[str, Any]:
    details = {**payment_method["billing_details"], **given}
    old_address = payment_method["billing_details"]["address"]
    new_address = given.get("address", {})
    details["address"] = (
        dict.fromkeys(params.ADDRESS) if new_address is None else {**old_address, **new_address}
    )
    return details


@route(
    "POST",
    "/v1/payment_methods/{payment_method}/attach",
    {"customer": params.text(clearable=False)},
)
def attach(call: Call, payment_method: str) -> Obj:
    """Attach a payment method to a customer."""
    params.require(call.params, "customer")
    customer = call.get("customer", call.params["customer"], param="customer")
    found = resolve(call, payment_method, param="id")
    return attach_to(call, found, customer["id"])


@route("POST", "/v1/payment_methods/{payment_method}/detach")
def detach(call: Call, payment_method: str) -> Obj:
    """Detach a payment method from its customer."""
    found = call.get("payment_method", payment_method)
    if found["customer"] is None:
        raise Problem(
            "The payment method you provided is not attached to a customer so detachment is "
            "impossible."
        )
    return detach_from(call, found)


expandable("payment_method", "customer")
