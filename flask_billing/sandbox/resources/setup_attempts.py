"""Setup attempts: each try to set a payment method up, and how it ended."""

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.store import Obj

_SHOWN_OF_A_CARD = (
    "brand",
    "checks",
    "country",
    "exp_month",
    "exp_year",
    "fingerprint",
    "funding",
    "last4",
)


def record(
    call: Call, intent: Obj, payment_method: Obj, status: str, error: Obj | None = None
) -> Obj:
    """Write one try of an intent."""
    kind = payment_method["type"]
    return call.create(
        "setup_attempt",
        "setatt_1",
        {
            "application": None,
            "customer": intent["customer"],
            "customer_account": None,
            "flow_directions": None,
            "on_behalf_of": None,
            "payment_method": payment_method["id"],
            "payment_method_details": {
                "type": kind,
                kind: _of_card(payment_method["card"]) if kind == "card" else {},
            },
            "setup_error": error,
            "setup_intent": intent["id"],
            "status": status,
            "usage": intent["usage"],
        },
    )


def _of_card(card: Obj) -> Obj:
    shown = {name: card[name] for name in _SHOWN_OF_A_CARD}
    return {**shown, "network": card["brand"], "three_d_secure": None, "wallet": None}


expandable("setup_attempt", "customer", "payment_method", "setup_intent")
