"""Charges: what happened to the money of a payment intent."""

from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS
from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.declines import Decline
from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import mandates

LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
    "payment_intent": params.text(clearable=False),
}


def record(
    call: Call, intent: Obj, payment_method: Obj, status: str, decline: Decline | None = None
) -> Obj:
    """Write one try to charge a payment method, and its event.

    :param status: `succeeded`, `failed` by a decline, or `pending` as a debit is at first.
    """
    captured = status != "failed" and intent["capture_method"] != "manual"
    charge = call.create(
        "charge",
        "ch_3",
        {
            **_money(intent, captured=captured),
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
            **_result(payment_method, decline),
            "fraud_details": {},
            "metadata": intent["metadata"],
            "on_behalf_of": None,
            "paid": status == "succeeded",
            "payment_intent": intent["id"],
            "payment_method": payment_method["id"],
            "payment_method_details": _details(call, payment_method),
            "receipt_email": intent["receipt_email"],
            "receipt_number": None,
            "receipt_url": None,
            "refunded": False,
            "review": None,
            "shipping": None,
            "source_transfer": None,
            "statement_descriptor": None,
            "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
            "status": status,
            "transfer_data": None,
            "transfer_group": None,
        },
    )
    call.emit(f"charge.{status}", charge)
    if status == "succeeded":
        _let_holder_complain(call, charge, payment_method)
    return charge


def settle(call: Call, charge: Obj, payment_method: Obj, decline: Decline | None) -> None:
    """Write what became of a charge that was pending."""
    status = "failed" if decline else "succeeded"
    changes = {**_result(payment_method, decline), "status": status, "paid": decline is None}
    if decline is not None:
        changes.update(captured=False, amount_captured=0)
    call.change(charge, f"charge.{status}", **changes)
    if decline is None:
        _let_holder_complain(call, charge, payment_method)


def _let_holder_complain(call: Call, charge: Obj, payment_method: Obj) -> None:
    card = CARDS.get(payment_method["_number"])
    if card is not None and card.dispute is not None:
        call.schedule(0, "dispute_charge", charge)
    if card is not None and card.fraud_warning:
        call.schedule(0, "warn_of_fraud", charge)
    account = BANK_ACCOUNTS.get(payment_method["_number"])
    if account is not None and account.disputed:
        call.schedule(0, "dispute_charge", charge)


def _money(intent: Obj, *, captured: bool) -> Obj:
    return {
        "amount": intent["amount"],
        "amount_captured": intent["amount"] if captured else 0,
        "amount_refunded": 0,
        "captured": captured,
        "currency": intent["currency"],
    }


def _result(payment_method: Obj, decline: Decline | None) -> Obj:
    card = CARDS.get(payment_method["_number"])
    return {
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "outcome": _outcome(decline, card.risk if card else "normal"),
    }


def _outcome(decline: Decline | None, risk: str) -> Obj:
    return {
        "advice_code": decline.advice_code if decline else None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": "declined_by_network" if decline else "approved_by_network",
        "reason": (decline.decline_code or decline.code) if decline else None,
        "risk_level": risk,
        "risk_score": 20 if risk == "normal" else 65,
        "seller_message": "The bank declined." if decline else "Payment complete.",
        "type": "issuer_declined" if decline else "authorized",
    }


def _details(call: Call, payment_method: Obj) -> Obj:
    if payment_method["type"] != "card":
        return _account_details(call, payment_method)
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


def _account_details(call: Call, payment_method: Obj) -> Obj:
    account = payment_method["sepa_debit"]
    names = ("bank_code", "branch_code", "country", "fingerprint", "last4")
    mandate = mandates.of(call, payment_method)
    shown = {name: account[name] for name in names}
    return {
        "type": "sepa_debit",
        "sepa_debit": {**shown, "mandate": mandate["id"] if mandate else None},
    }


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
