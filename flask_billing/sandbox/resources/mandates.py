"""Mandates: the permission to debit a bank account, which its holder can take back."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id, random_text
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

STATUSES = ("active", "inactive", "pending")
DATA = params.group(
    {
        "customer_acceptance": params.group(
            {
                "accepted_at": params.integer(0),
                "offline": params.group({}),
                "online": params.group(
                    {"ip_address": params.text(), "user_agent": params.text()},
                    required=("ip_address", "user_agent"),
                ),
                "type": params.choice("offline", "online"),
            },
            required=("type",),
        )
    },
    clearable=True,
    required=("customer_acceptance",),
)
# What a person agrees to on a page of the sandbox.
ON_THE_PAGE = {"type": "online", "online": {"ip_address": "127.0.0.1", "user_agent": "Sandbox"}}


def give(call: Call, payment_method: Obj, acceptance: dict[str, Any]) -> Obj:
    """Write that the holder of a bank account agreed that it is debited."""
    kind = acceptance["type"]
    mandate: Obj = {
        "id": new_id("mandate_1", 24),
        "object": "mandate",
        "customer_acceptance": {
            "accepted_at": acceptance.get("accepted_at", call.now),
            "type": kind,
            kind: acceptance.get(kind, {}),
        },
        "livemode": call.scope.livemode,
        "multi_use": {},
        "payment_method": payment_method["id"],
        "payment_method_details": {
            "type": "sepa_debit",
            "sepa_debit": {
                "reference": random_text(16).upper(),
                "url": f"https://stripe.invalid/mandates/{random_text(24)}",
            },
        },
        "status": "active",
        "type": "multi_use",
    }
    call.store.insert(call.scope, mandate)
    return mandate


def of(call: Call, payment_method: Obj) -> Obj | None:
    """Give the latest mandate of a bank account."""
    where = {"payment_method": payment_method["id"]}
    return next(iter(call.store.find(call.scope, "mandate", where, limit=1)), None)


def set_status(engine: Engine, mandate: str, status: str) -> None:
    """Write what a bank tells of a mandate.

    Raises `ValueError` for an unknown status and `LookupError` for an unknown mandate.
    """
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}.")
    located = engine.store.locate(mandate)
    if located is None or located[1]["object"] != "mandate":
        raise LookupError(f"There is no mandate {mandate}.")
    with engine.step(located[0], "") as call:
        call.change(call.get("mandate", mandate), "mandate.updated", status=status)


@route("GET", "/v1/mandates/{mandate}")
def retrieve(call: Call, mandate: str) -> Obj:
    """Give a mandate."""
    return call.get("mandate", mandate)


expandable("mandate", "payment_method")
