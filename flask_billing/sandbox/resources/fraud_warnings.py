"""Early fraud warnings: what a bank tells of a charge before its holder disputes it."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

_KIND = "radar.early_fraud_warning"
FRAUD_TYPES = (
    "card_never_received",
    "fraudulent_card_application",
    "made_with_counterfeit_card",
    "made_with_lost_card",
    "made_with_stolen_card",
    "misc",
    "unauthorized_use_of_card",
)
LIST: params.Declared = {
    **params.PAGE,
    "charge": params.text(clearable=False),
    "created": params.created,
    "payment_intent": params.text(clearable=False),
}


@due_action("warn_of_fraud")
def warn(call: Call, charge: Obj, fraud_type: str = "made_with_stolen_card") -> Obj:
    """Write that a bank warns of fraud; a refund of the whole charge still prevents a dispute."""
    if fraud_type not in FRAUD_TYPES:
        raise ValueError(f"fraud_type must be one of {', '.join(FRAUD_TYPES)}, not {fraud_type!r}.")
    warning = call.create(
        _KIND,
        "issfr_1",
        {
            "actionable": not (charge["refunded"] or charge["disputed"]),
            "charge": charge["id"],
            "fraud_type": fraud_type,
            "payment_intent": charge["payment_intent"],
        },
    )
    call.emit(f"{_KIND}.created", warning)
    return warning


def end(call: Call, charge: Obj) -> None:
    """Write that nothing is left to be done about a charge: it was refunded or disputed."""
    for warning in call.store.find(call.scope, _KIND, {"charge": charge["id"]}):
        call.change(warning, f"{_KIND}.updated", actionable=False)


@route("GET", "/v1/radar/early_fraud_warnings", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of warnings, about one charge or payment intent or all."""
    names = ("charge", "payment_intent")
    return call.page(_KIND, {name: call.params[name] for name in names if name in call.params})


@route("GET", "/v1/radar/early_fraud_warnings/{warning}")
def retrieve(call: Call, warning: str) -> Obj:
    """Give a warning."""
    return call.get(_KIND, warning)


expandable(_KIND, "charge", "payment_intent")
