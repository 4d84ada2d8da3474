"""Payment intents: charging a card, with or without the person, at once or as a hold first."""

from typing import Any

from flask_billing.sandbox.declines import DECLINES, Decline
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import random_text
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import charges, debits, holds, intents, kinds, outcomes, payment_methods

MINIMUM = {"jpy": 50, "krw": 100, "gbp": 30, "hkd": 400, "mxn": 1000, "sek": 300, "nok": 300}
UNAUTHENTICATED = Decline(
    "payment_intent_authentication_failure",
    "The provided PaymentMethod has failed authentication. You can provide a new PaymentMethod "
    "to attempt to fulfil this PaymentIntent again.",
)

_OFF_SESSION = params.either(params.boolean, params.choice("one_off", "recurring"))
_CAPTURE = params.choice("automatic", "automatic_async", "manual")
CONFIRM: params.Declared = {
    "capture_method": _CAPTURE,
    "off_session": _OFF_SESSION,
    "payment_method": params.text(clearable=False),
    "payment_method_types": params.payment_method_types,
    "receipt_email": params.email,
    "return_url": params.url,
    "setup_future_usage": params.choice("off_session", "on_session", clearable=True),
    "use_stripe_sdk": params.boolean,
}
UPDATE: params.Declared = {
    "amount": params.integer(1, 99_999_999),
    "currency": params.text(3, clearable=False),
    "customer": params.text(clearable=False),
    "description": params.text(1000),
    "metadata": params.metadata,
    "payment_method": params.text(clearable=False),
    "payment_method_types": params.payment_method_types,
    "receipt_email": params.email,
    "setup_future_usage": params.choice("off_session", "on_session", clearable=True),
    "statement_descriptor_suffix": params.text(22),
}
CREATE: params.Declared = {**intents.COMMON, **CONFIRM, **UPDATE}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
}


@route("POST", "/v1/payment_intents", CREATE)
def create(call: Call) -> Obj:
    """Create a payment intent, and confirm it if asked to."""
    values = call.params
    params.require(values, "amount", "currency")
    _check_amount(values["amount"], values["currency"])
    if values.get("off_session") and not values.get("confirm"):
        raise Problem("You can only send `off_session` with `confirm`.", param="off_session")
    if values.get("return_url") and not values.get("confirm"):
        raise Problem("You can only send `return_url` with `confirm`.", param="return_url")
    if "customer" in values:
        call.get("customer", values["customer"], param="customer")
    intent = make(call, values)
    _take_payment_method(call, intent)
    return _confirm(call, intent) if values.get("confirm") else intent


def minimum_charge(currency: str) -> int:
    """Give the least that can be charged in a currency, in its minor units."""
    return MINIMUM.get(currency.lower(), 50)


def _check_amount(amount: int, currency: str) -> None:
    minimum = minimum_charge(currency)
    if not (len(currency) == 3 and currency.isalpha()):
        raise Problem(f"Invalid currency: {currency}.", param="currency")
    if amount < minimum:
        raise Problem(
            f"Amount must be at least {minimum} in the smallest unit of {currency}.",
            code="amount_too_small",
            param="amount",
        )


def make(call: Call, values: dict[str, Any]) -> Obj:
    """Write a new intent that waits for a payment method."""
    intent = call.create(
        "payment_intent",
        "pi_3",
        {
            **intents.start(values),
            "amount": values["amount"],
            "amount_capturable": 0,
            "amount_details": {"tip": {}},
            "amount_received": 0,
            "application_fee_amount": None,
            "canceled_at": None,
            "capture_method": values.get("capture_method", "automatic_async"),
            "client_secret": None,
            "confirmation_method": "automatic",
            "currency": values["currency"].lower(),
            "last_payment_error": None,
            "latest_charge": None,
            "processing": None,
            "receipt_email": values.get("receipt_email"),
            "review": None,
            "setup_future_usage": values.get("setup_future_usage"),
            "shipping": None,
            "source": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": values.get("statement_descriptor_suffix"),
            "status": "requires_payment_method",
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    call.change(intent, client_secret=f"{intent['id']}_secret_{random_text(25)}")
    call.emit("payment_intent.created", intent)
    return intent


def _take_payment_method(call: Call, intent: Obj) -> None:
    if "payment_method" not in call.params:
        return
    payment_method = payment_methods.resolve(call, call.params["payment_method"])
    intents.require_owner(payment_method, intent["customer"])
    call.params["payment_method"] = payment_method["id"]
    call.change(intent, payment_method=payment_method["id"], status="requires_confirmation")


def _confirm(call: Call, intent: Obj) -> Obj:
    intents.require_status(
        intent, "confirm", "requires_payment_method", "requires_confirmation", "requires_action"
    )
    intents.require_return_url(intent, call.params)
    payment_method = intents.choose_payment_method(call, intent)
    if payment_method is None:
        raise Problem(
            "You cannot confirm this PaymentIntent because it's missing a payment method.",
            code="payment_intent_unexpected_state",
            payment_intent=intent,
        )
    intents.require_owner(payment_method, intent["customer"])
    intents.require_kind(intent, payment_method)
    return charge(
        call,
        intent,
        payment_method,
        off_session=bool(call.params.get("off_session")),
        return_url=call.params.get("return_url"),
    )


def charge(
    call: Call,
    intent: Obj,
    payment_method: Obj,
    *,
    off_session: bool,
    return_url: str | None = None,
    wait_for_bank: bool = False,
) -> Obj:
    """Charge a card or debit an account; raises the decline.

    :param wait_for_bank: Off-session, too, the intent waits for the person where the bank wants
        them, as that of an invoice does; any other is declined then.
    """
    call.change(intent, payment_method=payment_method["id"], last_payment_error=None)
    if payment_method["type"] != "card":
        return debits.begin(call, intent, payment_method)
    card = kinds.card_of(payment_method)
    decline = card.decline_of_charge(off_session=off_session, set_up=payment_method["_set_up"])
    wanted = wait_for_bank and decline is DECLINES["authentication"]
    if wanted or (not off_session and card.authentication != "never"):
        action = intents.challenge(call, intent, return_url)
        call.change(
            intent, "payment_intent.requires_action", status="requires_action", next_action=action
        )
        return outcomes.tell(call, intent)
    return _settle(call, intent, payment_method, decline)


def authenticate(call: Call, intent: Obj, *, passed: bool) -> Obj:
    """Go on after the person was at the bank's page."""
    intents.require_status(intent, "authenticate", "requires_action")
    payment_method = call.get("payment_method", intent["payment_method"], param="payment_method")
    if not passed:
        outcomes.fail(call, intent, payment_method, UNAUTHENTICATED)
    card = kinds.card_of(payment_method)
    decline = card.decline_of_charge(off_session=False, set_up=True)
    return _settle(call, intent, payment_method, decline)


def _settle(call: Call, intent: Obj, payment_method: Obj, decline: Decline | None) -> Obj:
    status = "failed" if decline else "succeeded"
    charge = charges.record(call, intent, payment_method, status, decline)
    call.change(intent, latest_charge=charge["id"], next_action=None)
    if decline is not None:
        outcomes.fail(call, intent, payment_method, decline)
    _keep_payment_method(call, intent, payment_method)
    if intent["capture_method"] == "manual":
        call.schedule(holds.TIME_LIMIT, "cancel_uncaptured", intent)
        return call.change(
            intent,
            "payment_intent.amount_capturable_updated",
            status="requires_capture",
            amount_capturable=intent["amount"],
        )
    return outcomes.succeed(call, intent, intent["amount"])


def _keep_payment_method(call: Call, intent: Obj, payment_method: Obj) -> None:
    if payment_method["customer"] is not None:
        return
    if intent["customer"] is not None and intent["setup_future_usage"] is not None:
        call.change(payment_method, _set_up=True)
        payment_methods.attach_to(call, payment_method, intent["customer"])
    else:
        call.change(payment_method, _spent=True)


@route("GET", "/v1/payment_intents", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of payment intents."""
    where = {"customer": call.params["customer"]} if "customer" in call.params else None
    return call.page("payment_intent", where)


@route("GET", "/v1/payment_intents/{payment_intent}")
def retrieve(call: Call, payment_intent: str) -> Obj:
    """Give a payment intent."""
    return call.get("payment_intent", payment_intent)


@route("POST", "/v1/payment_intents/{payment_intent}", UPDATE)
def update(call: Call, payment_intent: str) -> Obj:
    """Change an intent that was not charged yet; its last error is forgotten."""
    intent = call.get("payment_intent", payment_intent)
    plain: dict[str, Any] = dict(call.params)
    plain.pop("payment_method", None)
    if plain.keys() - {"metadata", "description", "receipt_email"}:
        intents.require_own(intent, "update")
        intents.require_status(
            intent, "update", "requires_payment_method", "requires_confirmation", "requires_action"
        )
    if "metadata" in plain:
        plain["metadata"] = params.merge_metadata(intent["metadata"], plain["metadata"])
    wanted = {**intent, **plain}
    _check_amount(wanted["amount"], wanted["currency"])
    if "customer" in plain:
        call.get("customer", plain["customer"], param="customer")
    call.change(intent, last_payment_error=None, **plain)
    _take_payment_method(call, intent)
    return intent


@route("POST", "/v1/payment_intents/{payment_intent}/confirm", CONFIRM)
def confirm(call: Call, payment_intent: str) -> Obj:
    """Charge the payment method, or hold its amount."""
    intent = call.get("payment_intent", payment_intent)
    chosen = ("capture_method", "receipt_email", "setup_future_usage")
    call.change(intent, **{name: call.params[name] for name in chosen if name in call.params})
    return _confirm(call, intent)


expandable("payment_intent", "customer", "payment_method", "latest_charge")
