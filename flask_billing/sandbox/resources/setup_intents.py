"""Setup intents: saving a payment method for later, with the bank's consent where it asks."""

from typing import Any

from flask_billing.sandbox.declines import DECLINES, Decline
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import random_text
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import intents, kinds, mandates, payment_methods, setup_attempts

UNAUTHENTICATED = Decline(
    "setup_intent_authentication_failure",
    "We are unable to authenticate your payment method. Please choose a different payment method "
    "and try again.",
)

CREATE: params.Declared = {
    **intents.COMMON,
    "mandate_data": mandates.DATA,
    "usage": params.choice("off_session", "on_session"),
}
UPDATE: params.Declared = {
    name: check
    for name, check in intents.COMMON.items()
    if name in ("customer", "description", "metadata", "payment_method", "payment_method_types")
}
CONFIRM: params.Declared = {
    name: CREATE[name]
    for name in (
        "mandate_data",
        "payment_method",
        "payment_method_types",
        "return_url",
        "use_stripe_sdk",
    )
}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
    "payment_method": params.text(clearable=False),
}
CANCELLATION_REASONS = ("abandoned", "duplicate", "requested_by_customer")


def make(call: Call, values: dict[str, Any], *, session: str | None = None) -> Obj:
    """Create a setup intent; `session` is the Checkout session that it belongs to."""
    intent = call.create(
        "setup_intent",
        "seti_1",
        {
            **intents.start(values),
            "client_secret": None,
            "flow_directions": None,
            "last_setup_error": None,
            "latest_attempt": None,
            "mandate": None,
            "single_use_mandate": None,
            "status": "requires_payment_method",
            "usage": values.get("usage", "off_session"),
            "_session": session,
        },
    )
    call.change(intent, client_secret=f"{intent['id']}_secret_{random_text(24)}")
    call.emit("setup_intent.created", intent)
    return intent


def attempt(call: Call, intent: Obj, payment_method: Obj, *, return_url: str | None = None) -> Obj:
    """Try to set a payment method up: it succeeds, waits for the person, or raises the decline."""
    call.change(intent, payment_method=payment_method["id"], last_setup_error=None)
    if payment_method["type"] != "card":
        return succeed(call, intent, payment_method)
    card = kinds.card_of(payment_method)
    if card.setup is not None:
        fail(call, intent, DECLINES[card.setup])
    if card.authentication != "never" and not payment_method["_set_up"]:
        action = intents.challenge(call, intent, return_url)
        call.change(
            intent, "setup_intent.requires_action", status="requires_action", next_action=action
        )
        return intent
    return succeed(call, intent, payment_method)


def authenticate(call: Call, intent: Obj, *, passed: bool) -> Obj:
    """Go on after the person was at the bank's page."""
    intents.require_status(intent, "authenticate", "requires_action")
    payment_method = call.get("payment_method", intent["payment_method"], param="payment_method")
    card = kinds.card_of(payment_method)
    if not passed:
        fail(call, intent, UNAUTHENTICATED)
    if card.after_authentication is not None:
        fail(call, intent, DECLINES[card.after_authentication])
    return succeed(call, intent, payment_method)


def succeed(call: Call, intent: Obj, payment_method: Obj) -> Obj:
    """Write that a payment method was set up, and attach it to the intent's customer."""
    call.change(payment_method, _set_up=True)
    if intent["customer"] is not None:
        payment_methods.attach_to(call, payment_method, intent["customer"])
    tried = setup_attempts.record(call, intent, payment_method, "succeeded")
    return call.change(
        intent,
        "setup_intent.succeeded",
        status="succeeded",
        latest_attempt=tried["id"],
        last_setup_error=None,
        mandate=_mandate(call, payment_method),
        next_action=None,
    )


def _mandate(call: Call, payment_method: Obj) -> str | None:
    if payment_method["type"] == "card":
        return None
    data = call.params.get("mandate_data") or {}
    acceptance = data.get("customer_acceptance", mandates.ON_THE_PAGE)
    return str(mandates.give(call, payment_method, acceptance)["id"])


def fail(call: Call, intent: Obj, decline: Decline) -> None:
    """Write that a payment method was declined, and raise it; the intent waits for another."""
    payment_method = call.get("payment_method", intent["payment_method"], param="payment_method")
    error = {**decline.error(), "payment_method": payment_method}
    tried = setup_attempts.record(call, intent, payment_method, "failed", error)
    call.change(
        intent,
        "setup_intent.setup_failed",
        status="requires_payment_method",
        payment_method=None,
        latest_attempt=tried["id"],
        last_setup_error=error,
        next_action=None,
    )
    raise decline.problem(setup_intent=intent, payment_method=payment_method)


def cancel_intent(call: Call, intent: Obj, reason: str | None) -> Obj:
    """Write that an intent is over."""
    return call.change(
        intent,
        "setup_intent.canceled",
        status="canceled",
        cancellation_reason=reason,
        next_action=None,
    )


@route("POST", "/v1/setup_intents", CREATE)
def create(call: Call) -> Obj:
    """Create a setup intent, and confirm it if asked to."""
    values = call.params
    if "customer" in values:
        call.get("customer", values["customer"], param="customer")
    if values.get("return_url") and not values.get("confirm"):
        raise Problem("You can only send `return_url` with `confirm`.", param="return_url")
    if values.get("mandate_data") and not values.get("confirm"):
        raise Problem("You can only send `mandate_data` with `confirm`.", param="mandate_data")
    intent = make(call, values)
    _take_payment_method(call, intent)
    return _confirm(call, intent) if values.get("confirm") else intent


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
            "You cannot confirm this SetupIntent because it's missing a payment method.",
            code="setup_intent_unexpected_state",
            setup_intent=intent,
        )
    intents.require_owner(payment_method, intent["customer"])
    intents.require_kind(intent, payment_method)
    if payment_method["type"] != "card":
        params.require(call.params, "mandate_data")
    return attempt(call, intent, payment_method, return_url=call.params.get("return_url"))


def _require_free(intent: Obj, verb: str) -> None:
    if intent["_session"] is not None:
        raise Problem(
            f"You cannot {verb} this SetupIntent because it was created by Checkout. Expire the "
            "Checkout Session instead.",
            code="setup_intent_unexpected_state",
        )


@route("GET", "/v1/setup_intents", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of setup intents."""
    names = ("customer", "payment_method")
    where = {name: call.params[name] for name in names if name in call.params}
    return call.page("setup_intent", where)


@route("GET", "/v1/setup_intents/{setup_intent}")
def retrieve(call: Call, setup_intent: str) -> Obj:
    """Give a setup intent."""
    return call.get("setup_intent", setup_intent)


@route("POST", "/v1/setup_intents/{setup_intent}", UPDATE)
def update(call: Call, setup_intent: str) -> Obj:
    """Change an intent that is not over."""
    intent = call.get("setup_intent", setup_intent)
    intents.require_status(intent, "update", "requires_payment_method", "requires_confirmation")
    if "customer" in call.params:
        call.get("customer", call.params["customer"], param="customer")
        call.change(intent, customer=call.params["customer"])
    if "metadata" in call.params:
        metadata = params.merge_metadata(intent["metadata"], call.params["metadata"])
        call.change(intent, metadata=metadata)
    if "description" in call.params:
        call.change(intent, description=call.params["description"])
    _take_payment_method(call, intent)
    return intent


@route("POST", "/v1/setup_intents/{setup_intent}/confirm", CONFIRM)
def confirm(call: Call, setup_intent: str) -> Obj:
    """Try the payment method."""
    intent = call.get("setup_intent", setup_intent)
    _require_free(intent, "confirm")
    return _confirm(call, intent)


@route(
    "POST",
    "/v1/setup_intents/{setup_intent}/cancel",
    {"cancellation_reason": params.choice(*CANCELLATION_REASONS)},
)
def cancel(call: Call, setup_intent: str) -> Obj:
    """Give an intent up."""
    intent = call.get("setup_intent", setup_intent)
    _require_free(intent, "cancel")
    intents.require_status(
        intent, "cancel", "requires_payment_method", "requires_confirmation", "requires_action"
    )
    return cancel_intent(call, intent, call.params.get("cancellation_reason"))


expandable("setup_intent", "customer", "payment_method", "latest_attempt", "mandate")
