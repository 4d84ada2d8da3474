"""Debits of bank accounts: they are under way at first, and the bank answers later."""

from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS
from flask_billing.sandbox.declines import Decline
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import charges, mandates, outcomes

REFUSED = Decline("payment_intent_payment_attempt_failed", "The payment failed.", "generic_decline")


def begin(call: Call, intent: Obj, payment_method: Obj) -> Obj:
    """Send a debit to the bank; it needs an active mandate."""
    mandate = mandates.of(call, payment_method)
    if mandate is None or mandate["status"] != "active":
        raise Problem(
            "The mandate of this payment method is missing or inactive. Set it up again with "
            "`mandate_data`.",
            code="payment_intent_mandate_invalid",
            param="payment_method",
        )
    charge = charges.record(call, intent, payment_method, "pending")
    call.change(
        intent,
        "payment_intent.processing",
        status="processing",
        latest_charge=charge["id"],
        next_action=None,
    )
    account = BANK_ACCOUNTS[payment_method["_number"]]
    call.schedule(account.seconds, "settle_debit", intent)
    return outcomes.tell(call, intent)


def settle(call: Call, intent: Obj, *, succeeded: bool) -> Obj:
    """Write the bank's answer to a debit that is under way."""
    charge = call.get("charge", intent["latest_charge"])
    decline = None if succeeded else REFUSED
    payment_method = call.get("payment_method", intent["payment_method"], param="payment_method")
    charges.settle(call, charge, payment_method, decline)
    if decline is None:
        return outcomes.succeed(call, intent, intent["amount"])
    outcomes.miss(call, intent, payment_method, decline)
    return intent


@due_action("settle_debit")
def _hear_bank(call: Call, intent: Obj) -> None:
    if intent["status"] == "processing":
        payment_method = call.get("payment_method", intent["payment_method"])
        account = BANK_ACCOUNTS[payment_method["_number"]]
        settle(call, intent, succeeded=account.pays)
