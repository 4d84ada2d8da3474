"""Disputes: what the holder of a card or an account says against a charge, and how it ends."""

from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import fraud_warnings

TIME_TO_RESPOND = 7 * 24 * 3600
INQUIRY = "inquiry"
REASONS = (
    "bank_cannot_process",
    "check_returned",
    "credit_not_processed",
    "customer_initiated",
    "debit_not_authorized",
    "duplicate",
    "fraudulent",
    "general",
    "incorrect_account_details",
    "insufficient_funds",
    "noncompliant",
    "product_not_received",
    "product_unacceptable",
    "subscription_canceled",
    "unrecognized",
)
# A status in which evidence is awaited, and the one in which the bank looks at it.
REVIEWS = {
    "needs_response": "under_review",
    "warning_needs_response": "warning_under_review",
    "appeal_needs_response": "appeal_under_review",
}
CLOSED = ("lost", "prevented", "warning_closed", "won")
STATUSES = (*REVIEWS, *REVIEWS.values(), *CLOSED)
LIST: params.Declared = {
    **params.PAGE,
    "charge": params.text(clearable=False),
    "created": params.created,
    "payment_intent": params.text(clearable=False),
}


@due_action("dispute_charge")
def _follow_the_card(call: Call, charge: Obj) -> None:
    method = call.find("payment_method", charge["payment_method"])
    card = CARDS.get(method["_number"]) if method else None
    if charge["captured"] and not charge["disputed"]:
        start(call, charge, reason=(card and card.dispute) or "debit_not_authorized")


def start(call: Call, charge: Obj, *, reason: str = "fraudulent", amount: int | None = None) -> Obj:
    """Open a dispute about a charge, or for the reason `inquiry` the question that precedes one.

    A debit of a bank account is lost at once, as its holder's bank does not argue.

    :param amount: What is disputed; all of the charge that was not refunded unless given.

    Raises `ValueError` for an unknown reason, and for a charge that holds no money or is disputed.
    """
    if reason not in (*REASONS, INQUIRY):
        raise ValueError(f"reason must be one of {', '.join((*REASONS, INQUIRY))}, not {reason!r}.")
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded" or charge["disputed"] or not left:
        raise ValueError(f"Charge {charge['id']} holds no money, or is disputed.")
    status = "warning_needs_response" if reason == INQUIRY else "needs_response"
    dispute = call.create(
        "dispute",
        "du_1",
        {
            **_about(charge, reason),
            "amount": left if amount is None else amount,
            "balance_transactions": [],
            "evidence": {"enhanced_evidence": {}},
            "evidence_details": {
                "due_by": call.now + TIME_TO_RESPOND,
                "enhanced_eligibility": {},
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
                "submission_method": "not_submitted",
            },
            "is_charge_refundable": reason == INQUIRY,
            "metadata": {},
            "status": status,
        },
    )
    call.change(charge, disputed=True)
    call.emit("charge.dispute.created", dispute)
    fraud_warnings.end(call, charge)
    if reason != INQUIRY:
        _move_funds(call, dispute, -1)
    if charge["payment_method_details"]["type"] != "card":
        return set_status(call, dispute, "lost")
    call.schedule(TIME_TO_RESPOND, "let_dispute_lapse", dispute)
    return dispute


def _about(charge: Obj, reason: str) -> Obj:
    about: Obj = {
        "charge": charge["id"],
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "payment_intent": charge["payment_intent"],
        "reason": "general" if reason == INQUIRY else reason,
    }
    details = charge["payment_method_details"]
    if details["type"] == "card":
        card = {
            "brand": details["card"]["brand"],
            "case_type": INQUIRY if reason == INQUIRY else "chargeback",
            "network": details["card"]["brand"],
            "network_reason_code": None,
        }
        about["payment_method_details"] = {"type": "card", "card": card}
    return about


def _move_funds(call: Call, dispute: Obj, sign: int) -> None:
    amount = sign * dispute["amount"]
    transaction = {
        "id": new_id("txn_1"),
        "object": "balance_transaction",
        "amount": amount,
        "available_on": call.now,
        "balance_type": "payments",
        "created": call.now,
        "currency": dispute["currency"],
        "description": None,
        "exchange_rate": None,
        "fee": 0,
        "fee_details": [],
        "net": amount,
        "reporting_category": "dispute" if sign < 0 else "dispute_reversal",
        "source": dispute["id"],
        "status": "available",
        "type": "adjustment",
    }
    call.change(dispute, balance_transactions=[*dispute["balance_transactions"], transaction])
    call.emit(f"charge.dispute.funds_{'withdrawn' if sign < 0 else 'reinstated'}", dispute)


def set_status(call: Call, dispute: Obj, status: str) -> Obj:
    """Write what a bank decides, with the movement of money that comes with it.

    Raises `ValueError` for an unknown status.
    """
    if status not in STATUSES:
        raise ValueError(f"status must be one of {', '.join(STATUSES)}, not {status!r}.")
    call.change(
        dispute,
        "charge.dispute.updated",
        status=status,
        is_charge_refundable=status.startswith("warning_"),
    )
    withdrawn = bool(len(dispute["balance_transactions"]) % 2)
    if status in ("needs_response", "lost") and not withdrawn:
        _move_funds(call, dispute, -1)
    if status == "won" and withdrawn:
        _move_funds(call, dispute, 1)
    if status in CLOSED:
        call.emit("charge.dispute.closed", dispute)
    return dispute


@due_action("let_dispute_lapse")
def _lapse(call: Call, dispute: Obj) -> None:
    if dispute["status"] not in REVIEWS:
        return
    details = {**dispute["evidence_details"], "past_due": True}
    call.change(dispute, evidence_details=details)
    _give_in(call, dispute)


def _give_in(call: Call, dispute: Obj) -> Obj:
    is_inquiry = dispute["status"] == "warning_needs_response"
    return set_status(call, dispute, "warning_closed" if is_inquiry else "lost")


def forbids_refund(call: Call, charge: Obj) -> bool:
    """Tell whether a charge was charged back, so that its money cannot be given back."""
    if not charge["disputed"]:
        return False
    found = call.store.find(call.scope, "dispute", {"charge": charge["id"]})
    return any(not dispute["is_charge_refundable"] for dispute in found)


def end_inquiry(call: Call, charge: Obj) -> None:
    """Close a question about a charge that was refunded wholly."""
    if not charge["disputed"]:
        return
    for dispute in call.store.find(call.scope, "dispute", {"charge": charge["id"]}):
        if dispute["status"].startswith("warning_") and dispute["status"] not in CLOSED:
            set_status(call, dispute, "warning_closed")


@route("GET", "/v1/disputes", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of disputes, about one charge or payment intent or all."""
    names = ("charge", "payment_intent")
    return call.page("dispute", {name: call.params[name] for name in names if name in call.params})


@route("GET", "/v1/disputes/{dispute}")
def retrieve(call: Call, dispute: str) -> Obj:
    """Give a dispute."""
    return call.get("dispute", dispute)


@route("POST", "/v1/disputes/{dispute}/close")
def close(call: Call, dispute: str) -> Obj:
    """Give in: the dispute is lost for good."""
    found = call.get("dispute", dispute)
    require_open(found)
    return _give_in(call, found)


def require_open(dispute: Obj) -> None:
    """Refuse what can only be done while evidence is awaited."""
    if dispute["status"] not in REVIEWS:
        raise Problem(
            f"Dispute {dispute['id']} has a status of {dispute['status']}, so no evidence about "
            "it is taken any more."
        )


expandable("dispute", "charge", "payment_intent")
