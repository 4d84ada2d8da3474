"""Refunds: giving the money of a charge back, whole or in parts, which can also fail later."""

from typing import Any

from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import disputes, fraud_warnings

# When a refund that waits, or fails after all, comes to its end.
LATER = 3600
REASONS = ("duplicate", "fraudulent", "requested_by_customer")
STATUSES = ("pending", "requires_action", "succeeded", "failed", "canceled")
GONE = ("failed", "canceled")
_LAST_ACT = {"pending": "let_refund_succeed", "failed": "let_refund_fail"}

CREATE: params.Declared = {
    "amount": params.integer(1),
    "charge": params.text(clearable=False),
    "metadata": params.metadata,
    "payment_intent": params.text(clearable=False),
    "reason": params.choice(*REASONS),
}
LIST: params.Declared = {
    **params.PAGE,
    "charge": params.text(clearable=False),
    "created": params.created,
    "payment_intent": params.text(clearable=False),
}


@route("POST", "/v1/refunds", CREATE)
def create(call: Call) -> Obj:
    """Refund a charge, or that of a payment intent; without an amount, what is left of it."""
    return give_back(
        call,
        _charge_to_refund(call),
        call.params.get("amount"),
        reason=call.params.get("reason"),
        metadata=call.params.get("metadata", {}),
    )


def _charge_to_refund(call: Call) -> Obj:
    given = [name for name in ("charge", "payment_intent") if name in call.params]
    if len(given) != 1:
        raise Problem(
            "Exactly one of the following params should be provided for this request: "
            "payment_intent or charge.",
            code="parameter_missing",
        )
    if "charge" in call.params:
        return call.get("charge", call.params["charge"], param="charge")
    intent = call.get("payment_intent", call.params["payment_intent"], param="payment_intent")
    charge = call.find("charge", intent["latest_charge"])
    if charge is None or charge["status"] != "succeeded":
        raise Problem(
            f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund.",
            param="payment_intent",
        )
    return charge


def _require_refundable(call: Call, charge: Obj) -> None:
    if charge["status"] != "succeeded" or not charge["captured"]:
        raise Problem(
            f"Charge {charge['id']} is not paid and captured, so it cannot be refunded.",
            code="charge_not_refundable",
        )
    if disputes.forbids_refund(call, charge):
        raise Problem(
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
        )
    if charge["refunded"]:
        raise Problem(
            f"Charge {charge['id']} has already been refunded.", code="charge_already_refunded"
        )


def left_of(charge: Obj) -> int:
    """Give how much of a charge can still be refunded."""
    return int(charge["amount_captured"] - charge["amount_refunded"])


def give_back(
    call: Call,
    charge: Obj,
    amount: int | None = None,
    *,
    reason: str | None = None,
    metadata: dict[str, str] | None = None,
) -> Obj:
    """Refund a charge; without an amount, what is left of it. Refuses as Stripe does."""
    _require_refundable(call, charge)
    left = left_of(charge)
    if amount is not None and amount > left:
        raise Problem(
            f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left}).",
            param="amount",
        )
    return _make(call, charge, left if amount is None else amount, reason, metadata or {})


def _make(
    call: Call, charge: Obj, amount: int, reason: str | None, metadata: dict[str, str]
) -> Obj:
    method = call.find("payment_method", charge["payment_method"])
    fate = _fate(method)
    refund: Obj = {
        "id": new_id("re_3"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.now,
        "currency": charge["currency"],
        "customer": charge["customer"],
        "customer_account": None,
        "destination_details": _destination(charge),
        "metadata": params.merge_metadata({}, metadata),
        "payment_intent": charge["payment_intent"],
        "payment_method": charge["payment_method"],
        "reason": reason,
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "pending" if fate == "pending" else "succeeded",
        "transfer_reversal": None,
    }
    if fate == "pending":
        refund["pending_reason"] = "processing"
    call.store.insert(call.scope, refund)
    if fate in _LAST_ACT:
        call.schedule(LATER, _LAST_ACT[fate], refund)
    call.emit("refund.created", refund)
    _count(call, charge, amount)
    call.emit("charge.refunded", charge)
    if charge["refunded"]:
        disputes.end_inquiry(call, charge)
        fraud_warnings.end(call, charge)
    return refund


def _fate(payment_method: Obj | None) -> str:
    card = CARDS.get(payment_method["_number"]) if payment_method else None
    return card.refund if card else "succeeded"


def _destination(charge: Obj) -> Obj:
    kind = charge["payment_method_details"]["type"]
    if kind != "card":
        return {"type": kind}
    card = {"reference_status": "pending", "reference_type": "acquirer_reference_number"}
    return {"type": "card", "card": {**card, "type": "refund"}}


def _count(call: Call, charge: Obj, amount: int) -> None:
    refunded = charge["amount_refunded"] + amount
    call.change(charge, amount_refunded=refunded, refunded=refunded >= charge["amount_captured"])


@due_action("let_refund_succeed")
def _succeed(call: Call, refund: Obj) -> None:
    if refund["status"] == "pending":
        set_status(call, refund, "succeeded")


@due_action("let_refund_fail")
def _fail(call: Call, refund: Obj) -> None:
    if refund["status"] == "succeeded":
        set_status(call, refund, "failed")


def set_status(call: Call, refund: Obj, status: str) -> Obj:
    """Write what became of a refund; one that failed or was canceled refunds nothing any more.

    Raises `ValueError` for an unknown status, or when the refund failed or was canceled before.
    """
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}.")
    if refund["status"] in GONE:
        raise ValueError(f"Refund {refund['id']} is {refund['status']} for good.")
    reason = {"failure_reason": "expired_or_canceled_card"} if status == "failed" else {}
    if status != "pending":
        refund.pop("pending_reason", None)
    if status in GONE:
        _count(call, call.get("charge", refund["charge"]), -refund["amount"])
    call.change(refund, "refund.updated", status=status, **reason)
    call.emit("charge.refund.updated", refund)
    if status == "failed":
        call.emit("refund.failed", refund)
    return refund


@route("GET", "/v1/refunds", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of refunds, of one charge or payment intent or of all."""
    where: dict[str, Any] = {}
    for kind in ("charge", "payment_intent"):
        if kind in call.params:
            where |= of(call, kind, call.params[kind])
    return call.page("refund", where)


def of(call: Call, kind: str, object_id: str) -> dict[str, Any]:
    """Give what to look for to find what belongs to a charge or payment intent.

    The customer is named as well where there is one, because the store has an index of those.
    """
    parent = call.get(kind, object_id, param=kind)
    customer = {"customer": parent["customer"]} if parent["customer"] else {}
    return {**customer, kind: object_id}


@route("GET", "/v1/refunds/{refund}")
def retrieve(call: Call, refund: str) -> Obj:
    """Give a refund."""
    return call.get("refund", refund)


@route("POST", "/v1/refunds/{refund}", {"metadata": params.metadata})
def update(call: Call, refund: str) -> Obj:
    """Change a refund's metadata; nothing else can be."""
    found = call.get("refund", refund)
    given = call.params.get("metadata")
    if given is None:
        return found
    merged = params.merge_metadata(found["metadata"], given)
    if merged != found["metadata"]:
        call.change(found, "refund.updated", metadata=merged)
        call.emit("charge.refund.updated", found)
    return found


@route("POST", "/v1/refunds/{refund}/cancel")
def cancel(call: Call, refund: str) -> Obj:
    """Give up a refund that waits for its recipient; others cannot be canceled."""
    found = call.get("refund", refund)
    if found["status"] != "requires_action":
        raise Problem(
            f"Refund {refund} has a status of {found['status']}. Only a refund with a status of "
            "requires_action can be canceled."
        )
    return set_status(call, found, "canceled")


def _refunds_of(call: Call, charge: Obj) -> Obj:
    path = f"/v1/charges/{charge['id']}/refunds"
    lister = Call(call.store, call.clock, call.scope, call.base_url, path=path)
    return lister.page("refund", of(lister, "charge", charge["id"]))


expandable("refund", "charge", "customer", "payment_intent", "payment_method")
expandable("charge", refunds=_refunds_of)
