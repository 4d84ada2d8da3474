"""Charges: what happened to the money of a payment intent."""

from flask_billing.sandbox.cards import Decline
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
    "payment_intent": params.text(clearable=False),
}


def record(call: Call, intent: Obj, payment_method: Obj, decline: Decline | None) -> Obj:
    """Write one try to charge a card, and its event."""
    held = intent["capture_method"] == "manual"
    charge = call.create(
        "charge",
        "ch_3",
        {
            **_money(intent, captured=not held and decline is None),
            "application": None,
            "application_fee": None,
            "application_fee_amount": None,
            "balance_transaction": None,
            "billing_details": payment_method["billing_details"],
            "calculated_statement_descriptor": "SANDBOX",
            "customer": intent["customer"],
            "description": intent["description"],
            "disputed": False,
            "failure_balance_transaction": None,
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "fraud_details": {},
            "metadata": intent["metadata"],
            "on_behalf_of": None,
            "outcome": _outcome(decline),
            "paid": decline is None,
            "payment_intent": intent["id"],
            "payment_method": payment_method["id"],
            "payment_method_details": _details(payment_method),
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": "failed" if decline else "succeeded",
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    call.emit("charge.failed" if decline else "charge.succeeded", charge)
    return charge


def _money(intent: Obj, *, captured: bool) -> Obj:
    return {
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "captured": captured,
        "currency": intent["currency"],
    }


def _outcome(decline: Decline | None) -> Obj:
    return {
        "advice_code": decline.advice_code if decline else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": "normal",
        "risk_score": 20,
        "seller_message": "The bank declined." if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _details(payment_method: Obj) -> Obj:
    card = payment_method["card"]
    names = (
        "brand",
        "checks",
        "country",
        "exp_month",
        "exp_year",
        "fingerprint",
        "funding",
        "last4",
        "regulated_status",
        "wallet",
    )
    more = {"installments": None, "mandate": None, "network": card["brand"], "three_d_secure": None}
    return {"type": "card", "card": {**{name: card[name] for name in names}, **more}}


@route("GET", "/v1/charges", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of charges."""
    names = ("customer", "payment_intent")
    return call.page("charge", {name: call.params[name] for name in names if name in call.params})


@route("GET", "/v1/charges/{charge}")
def retrieve(call: Call, charge: str) -> Obj:
    """Give a charge."""
    return call.get("charge", charge)


expandable("charge", "customer", "payment_intent")
