"""What setup intents and payment intents have in common."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import kinds, payment_methods

COMMON: params.Declared = {
    "allowed_payment_method_types": params.array(params.text()),
    "automatic_payment_methods": params.group(
        {"enabled": params.boolean, "allow_redirects": params.choice("always", "never")},
        required=("enabled",),
    ),
    "confirm": params.boolean,
    "customer": params.text(clearable=False),
    "description": params.text(1000),
    "excluded_payment_method_types": params.array(params.text()),
    "metadata": params.metadata,
    "payment_method": params.text(clearable=False),
    "payment_method_types": params.payment_method_types,
    "return_url": params.url,
    "use_stripe_sdk": params.boolean,
}


def start(values: dict[str, Any]) -> dict[str, Any]:
    """Give the fields that a new intent takes from its parameters."""
    allowed = values.get("allowed_payment_method_types")
    automatic = values.get("automatic_payment_methods")
    if allowed and automatic:
        raise Problem(
            "You may only specify one of these parameters: allowed_payment_method_types, "
            "automatic_payment_methods.",
            param="allowed_payment_method_types",
        )
    if automatic is None and not allowed:
        automatic = {"enabled": True}
    return {
        "allowed_payment_method_types": allowed or None,
        "application": None,
        "automatic_payment_methods": automatic and {"allow_redirects": "always", **automatic},
        "cancellation_reason": None,
        "customer": values.get("customer"),
        "customer_account": None,
        "description": values.get("description"),
        "excluded_payment_method_types": values.get("excluded_payment_method_types") or None,
        "metadata": params.merge_metadata({}, values.get("metadata", {})),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": kinds.offered(values),
    }


def choose_payment_method(call: Call, intent: Obj) -> Obj | None:
    """Give the payment method that was sent, or else the intent's own."""
    if "payment_method" in call.params:
        return payment_methods.resolve(call, call.params["payment_method"])
    return call.find("payment_method", intent["payment_method"])


def require_owner(payment_method: Obj, customer: str | None) -> None:
    """Refuse a payment method of another customer than the intent's."""
    payment_methods.require_fresh(payment_method)
    owner = payment_method["customer"]
    if owner is None or owner == customer:
        return
    hint = (
        f"The provided PaymentMethod belongs to the Customer {owner}. Include the Customer in "
        "the `customer` parameter."
        if customer is None
        else "The provided PaymentMethod does not belong to the Customer of this intent."
    )
    raise Problem(hint, code="payment_method_customer_mismatch", param="payment_method")


def require_kind(intent: Obj, payment_method: Obj) -> None:
    """Refuse a payment method of a kind that the intent does not take."""
    allowed = intent["payment_method_types"]
    if payment_method["type"] not in allowed:
        words = "SetupIntent" if intent["object"] == "setup_intent" else "PaymentIntent"
        raise Problem(
            f"The PaymentMethod provided ({payment_method['type']}) is not allowed for this "
            f"{words}. Please attach a PaymentMethod of one of the following types: "
            f"{', '.join(allowed)}.",
            param="payment_method",
        )


def require_return_url(intent: Obj, values: dict[str, Any]) -> None:
    """Refuse a confirmation that may have to redirect and would not know where to."""
    automatic = intent["automatic_payment_methods"] or {}
    redirects = automatic.get("enabled") and automatic.get("allow_redirects") == "always"
    if redirects and not values.get("return_url") and not values.get("off_session"):
        raise Problem(
            "This intent accepts payment methods that redirect. Send a `return_url`, or create "
            "it with `automatic_payment_methods[allow_redirects]` set to `never`.",
            param="return_url",
        )


def require_status(intent: Obj, verb: str, *allowed: str) -> None:
    """Refuse what an intent in its present state cannot do."""
    if intent["status"] in allowed:
        return
    kind = "SetupIntent" if intent["object"] == "setup_intent" else "PaymentIntent"
    problem = Problem(
        f"You cannot {verb} this {kind} because it has a status of {intent['status']}. Only a "
        f"{kind} with one of the following statuses may be used: {', '.join(allowed)}.",
        code=f"{intent['object']}_unexpected_state",
    )
    problem.error[intent["object"]] = intent
    raise problem


def require_own(intent: Obj, verb: str) -> None:
    """Refuse to touch the default payment intent of an invoice."""
    if intent.get("_default"):
        raise Problem(
            f"You cannot {verb} this PaymentIntent because it was created by an invoice. Change, "
            "pay or void the invoice instead.",
            code="payment_intent_unexpected_state",
        )


def challenge(call: Call, intent: Obj, return_url: str | None) -> dict[str, Any]:
    """Give the next action that sends the person to the bank's page."""
    address = f"{call.base_url}/c/authenticate/{intent['id']}"
    return {
        "type": "redirect_to_url",
        "redirect_to_url": {"url": address, "return_url": return_url},
    }
