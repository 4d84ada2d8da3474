"""Holds: taking what a payment intent holds on a card, or letting go of it."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import intents, outcomes

TIME_LIMIT = 7 * 24 * 3600
CANCELLATION_REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")


@route(
    "POST",
    "/v1/payment_intents/{payment_intent}/capture",
    {
        "amount_to_capture": params.integer(1),
        "metadata": params.metadata,
        "statement_descriptor_suffix": params.text(22),
    },
)
def capture(call: Call, payment_intent: str) -> Obj:
    """Take what was held, or a part of it; the rest is let go."""
    intent = call.get("payment_intent", payment_intent)
    intents.require_status(intent, "capture", "requires_capture")
    amount: int = call.params.get("amount_to_capture") or intent["amount_capturable"]
    if amount > intent["amount_capturable"]:
        raise Problem(
            f"The amount to capture ({amount}) is more than the {intent['amount_capturable']} "
            "that is held.",
            code="amount_too_large",
            param="amount_to_capture",
        )
    charge = call.get("charge", intent["latest_charge"])
    left = intent["amount"] - amount
    call.change(
        charge, "charge.captured", captured=True, amount_captured=amount, amount_refunded=left
    )
    call.change(intent, amount_capturable=0)
    return outcomes.succeed(call, intent, amount)


@route(
    "POST",
    "/v1/payment_intents/{payment_intent}/cancel",
    {"cancellation_reason": params.choice(*CANCELLATION_REASONS)},
)
def cancel(call: Call, payment_intent: str) -> Obj:
    """Give an intent up, and let go of what was held."""
    intent = call.get("payment_intent", payment_intent)
    intents.require_own(intent, "cancel")
    intents.require_status(
        intent,
        "cancel",
        "requires_payment_method",
        "requires_capture",
        "requires_confirmation",
        "requires_action",
    )
    return cancel_intent(call, intent, call.params.get("cancellation_reason"))


@due_action("cancel_uncaptured")
def _cancel_uncaptured(call: Call, intent: Obj) -> None:
    if intent["status"] == "requires_capture":
        cancel_intent(call, intent, "automatic")


def cancel_intent(call: Call, intent: Obj, reason: str | None) -> Obj:
    """Write that an intent is over, and let go of what was held."""
    if intent["status"] == "requires_capture":
        charge = call.get("charge", intent["latest_charge"])
        call.change(charge, "charge.refunded", refunded=True, amount_refunded=charge["amount"])
    call.change(
        intent,
        "payment_intent.canceled",
        status="canceled",
        canceled_at=call.now,
        cancellation_reason=reason,
        amount_capturable=0,
        next_action=None,
    )
    return outcomes.tell(call, intent)
