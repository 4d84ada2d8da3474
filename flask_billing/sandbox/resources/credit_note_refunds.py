"""The refunds of a credit note: made with it, or made before and told of."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import invoice_payments, refunds

REFUNDS = params.array(
    params.group(
        {
            "amount_refunded": params.integer(1),
            "refund": params.text(clearable=False),
            "type": params.choice("refund"),
        },
        required=("refund",),
    )
)


def _charges_of(call: Call, invoice: Obj) -> list[Obj]:
    paid = [p for p in invoice_payments.of_invoice(call, invoice["id"]) if p["status"] == "paid"]
    intents = [invoice_payments.intent_of(call, payment) for payment in paid]
    return [call.get("charge", intent["latest_charge"]) for intent in intents]


def linked(call: Call, invoice: Obj, notes: list[Obj]) -> list[Obj]:
    """Give the refunds that were made before and that a new credit note is about.

    :param notes: All credit notes of the invoice.
    """
    charges = [charge["id"] for charge in _charges_of(call, invoice)]
    before = [entry for note in notes if note["status"] == "issued" for entry in note["refunds"]]
    found: list[Obj] = []
    for number, given in enumerate(call.params.get("refunds", [])):
        name = f"refunds[{number}]"
        refund = call.get("refund", given["refund"], param=f"{name}[refund]")
        amount = given.get("amount_refunded", refund["amount"])
        used = [entry for entry in (*before, *found) if entry["refund"] == refund["id"]]
        left = refund["amount"] - sum(entry["amount_refunded"] for entry in used)
        if refund["charge"] not in charges or refund["status"] in refunds.GONE or amount > left:
            raise Problem(
                f"Refund {refund['id']} is of another payment than this invoice's, came to "
                "nothing, or has less left than is to be credited.",
                param=name,
            )
        found.append(_link(refund, amount))
    return found


def _link(refund: Obj, amount: int) -> Obj:
    return {
        "amount_refunded": amount,
        "payment_record_refund": None,
        "refund": refund["id"],
        "type": "refund",
    }


def make(call: Call, invoice: Obj) -> list[Obj]:
    """Refund what a new credit note asks for through one of the invoice's payments."""
    amount = call.params.get("refund_amount", 0)
    if not amount:
        return []
    charges = _charges_of(call, invoice)
    fitting = [charge for charge in charges if refunds.left_of(charge) >= amount]
    if not charges:
        raise Problem("This invoice has no payment to refund.", param="refund_amount")
    reason = call.params.get("reason")
    known = reason if reason in refunds.REASONS else None
    refund = refunds.give_back(call, (fitting or charges)[0], amount, reason=known)
    return [_link(refund, amount)]
