"""The life of an invoice: draft, open, and paid, void or uncollectible.

`recount` brings an invoice in line with what belongs to it; `apply_payment` credits a payment to
it. What a payment intent comes to is heard here, so it does not matter who confirmed it.
"""

from typing import Any

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import (
    customer_balance,
    invoice_drafts,
    invoice_payments,
    outcomes,
    payment_intents,
)

DAY = 24 * 3600
LARGEST = 99_999_999


def recount(call: Call, invoice: Obj) -> Obj:
    """Write what follows from an invoice's lines, payments and credit notes.

    A draft gets its customer's details, tax and totals. Afterwards `amount_due` is what was asked
    for at finalisation less `pre_payment_credit_notes_amount`; payments come off that, and what
    they exceed it by goes to the customer's balance. An invoice of which nothing remains is paid.
    """
    if invoice["status"] == "draft":
        return call.change(invoice, "invoice.updated", **invoice_drafts.totals_of(call, invoice))
    return _collect(call, invoice)


# Finalisation


def finalize(call: Call, invoice: Obj, *, auto_advance: bool | None = None) -> Obj:
    """Fix an invoice's amounts, give it a number, and ask for what the balance does not cover."""
    if invoice["status"] != "draft":
        raise Problem(
            "This invoice is already finalized, you can't re-finalize a non-draft invoice.",
            code="invoice_not_editable",
        )
    customer = call.get("customer", invoice["customer"], param="customer")
    recount(call, invoice)
    _require_tax(call, invoice)
    changes = _settlement(call, invoice, customer)
    if auto_advance is not None:
        changes["auto_advance"] = auto_advance
    number = f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04}"
    address = f"{invoice['_base_url']}/i/{invoice['id']}"
    call.change(customer, next_invoice_sequence=customer["next_invoice_sequence"] + 1)
    call.change(
        invoice,
        "invoice.updated",
        **changes,
        status="open",
        automatically_finalizes_at=None,
        number=invoice["number"] or number,
        effective_at=invoice["effective_at"] or call.now,
        hosted_invoice_url=address,
        invoice_pdf=f"{address}/pdf",
        due_date=_due_date(call, invoice),
        status_transitions=_moments(call, invoice, "finalized_at"),
        last_finalization_error=None,
        _asked=changes["amount_due"],
    )
    if invoice["amount_due"] > 0:
        invoice_payments.open_default(call, invoice)
    call.emit("invoice.finalized", invoice)
    if invoice["due_date"] is not None:
        call.schedule(max(invoice["due_date"] - call.now, 0), "invoice_overdue", invoice)
    return recount(call, invoice)


def _require_tax(call: Call, invoice: Obj) -> None:
    status = invoice["automatic_tax"]["status"]
    if status in (None, "complete"):
        return
    lacking = status == "requires_location_inputs"
    problem = Problem(
        "The customer's location isn't recognized. Set a valid customer address in order to "
        "automatically calculate tax."
        if lacking
        else "The tax of this invoice could not be calculated.",
        code="customer_tax_location_invalid" if lacking else "taxes_calculation_failed",
        keep=True,
    )
    call.change(invoice, "invoice.finalization_failed", last_finalization_error=dict(problem.error))
    raise problem


def _settlement(call: Call, invoice: Obj, customer: Obj) -> dict[str, Any]:
    total, currency = invoice["total"], invoice["currency"]
    starting = customer_balance.balance_in(customer, currency)
    moved, due = _share(total, starting)
    if due > LARGEST:
        raise Problem(
            f"The amount due must be at most {LARGEST} in the smallest unit of {currency}.",
            code="amount_too_large",
        )
    if customer["currency"] is None:
        call.change(customer, "customer.updated", currency=currency)
    if moved:
        customer_balance.move(
            call, customer, moved, currency, "applied_to_invoice", invoice=invoice["id"]
        )
    if 0 < due < payment_intents.minimum_charge(currency):
        customer_balance.move(
            call, customer, due, currency, "invoice_too_small", invoice=invoice["id"]
        )
        due = 0
    ending = customer_balance.balance_in(customer, currency)
    return {"amount_due": due, "starting_balance": starting, "ending_balance": ending}


def _share(total: int, balance: int) -> tuple[int, int]:
    """Give what a total moves the balance by, and what remains to be paid."""
    if total < 0:
        return total, 0
    moved = min(-balance, total)
    return moved, total - moved


def _due_date(call: Call, invoice: Obj) -> int | None:
    days = invoice["_days_until_due"]
    moment: int | None = invoice["due_date"] if days is None else call.now + days * DAY
    return moment


def _moments(call: Call, invoice: Obj, name: str) -> Obj:
    return {**invoice["status_transitions"], name: call.now}


# Payments


def apply_payment(call: Call, invoice: Obj, payment_intent: Obj, amount: int) -> Obj:
    """Credit what an intent has collected to an invoice, attached to it or not.

    More than remains is overpaid: the customer's balance is credited with it.
    """
    payment = invoice_payments.of_intent(call, payment_intent)
    if payment is None:
        payment = invoice_payments.link(call, invoice, payment_intent, is_default=False)
    invoice_payments.mark_paid(call, payment, amount)
    call.change(invoice, attempted=True, attempt_count=max(invoice["attempt_count"], 1))
    recount(call, invoice)
    call.emit("invoice_payment.paid", payment)
    return invoice


def pay_off_stripe(call: Call, invoice: Obj) -> Obj:
    """Write that all that remains was paid elsewhere."""
    remaining = invoice["amount_remaining"]
    elsewhere = invoice["amount_paid_off_stripe"] + remaining
    return _collect(call, invoice, amount_paid_off_stripe=elsewhere, attempted=True)


def _collect(call: Call, invoice: Obj, **changes: Any) -> Obj:
    made = [p for p in invoice_payments.of_invoice(call, invoice["id"]) if p["status"] == "paid"]
    elsewhere = changes.get("amount_paid_off_stripe", invoice["amount_paid_off_stripe"])
    received = elsewhere + sum(payment["amount_paid"] for payment in made)
    if invoice["status"] not in ("open", "uncollectible"):
        due = invoice["amount_due"]
    else:
        due = invoice["_asked"] - invoice["pre_payment_credit_notes_amount"]
    paid = min(received, due)
    overpaid = received - paid - invoice["amount_overpaid"]
    changes.update(amount_due=due, amount_paid=paid, amount_remaining=due - paid)
    ends = invoice["status"] in ("open", "uncollectible") and due == paid
    if ends:
        changes.update(status="paid", status_transitions=_moments(call, invoice, "paid_at"))
        changes.update(attempted=True, auto_advance=False)
    amount_overpaid = invoice["amount_overpaid"] + overpaid
    call.change(invoice, "invoice.updated", **changes, amount_overpaid=amount_overpaid)
    if ends:
        invoice_payments.give_up_default(call, invoice["id"], "automatic")
        call.emit("invoice.paid", invoice)
        if not elsewhere:
            call.emit("invoice.payment_succeeded", invoice)
    elif invoice["status"] in ("open", "uncollectible"):
        invoice_payments.follow_remaining(call, invoice)
    if overpaid:
        _credit_overpayment(call, invoice, overpaid)
    return invoice


def _credit_overpayment(call: Call, invoice: Obj, amount: int) -> None:
    call.emit("invoice.overpaid", invoice)
    customer = call.find("customer", invoice["customer"])
    if customer is not None and not customer.get("deleted"):
        customer_balance.move(
            call, customer, -amount, invoice["currency"], "invoice_overpaid", invoice=invoice["id"]
        )


@outcomes.follow
def _hear(call: Call, intent: Obj) -> None:
    payment = invoice_payments.of_intent(call, intent)
    if payment is None or payment["status"] != "open":
        return
    invoice = call.get("invoice", payment["invoice"])
    if intent["status"] == "succeeded":
        apply_payment(call, invoice, intent, intent["amount_received"])
    elif intent["status"] == "canceled":
        invoice_payments.mark_canceled(call, payment)
    elif payment["is_default"]:
        _note_try(call, invoice, intent["status"])


def _note_try(call: Call, invoice: Obj, outcome: str) -> None:
    tries = max(invoice["attempt_count"], 1)
    call.change(invoice, "invoice.updated", attempted=True, attempt_count=tries)
    if outcome == "requires_action":
        call.emit("invoice.payment_action_required", invoice)
    if outcome != "processing":
        call.emit("invoice.payment_failed", invoice)


# Ends


def void(call: Call, invoice: Obj) -> Obj:
    """Take an invoice back: nobody can pay it, and the balance gets back what it gave."""
    _require_open(invoice, "open", "uncollectible")
    if invoice["amount_paid"]:
        raise Problem("An invoice that was paid in part can't be voided. Make a credit note.")
    invoice_payments.require_idle(call, invoice["id"], "cancel")
    invoice_payments.give_up_all(call, invoice["id"])
    _return_balance(call, invoice)
    call.change(
        invoice,
        "invoice.updated",
        status="void",
        auto_advance=False,
        status_transitions=_moments(call, invoice, "voided_at"),
    )
    call.emit("invoice.voided", invoice)
    return invoice


def _return_balance(call: Call, invoice: Obj) -> None:
    given = invoice["ending_balance"] - invoice["starting_balance"]
    customer = call.find("customer", invoice["customer"])
    if given and customer is not None and not customer.get("deleted"):
        kind = "unapplied_from_invoice"
        customer_balance.move(
            call, customer, -given, invoice["currency"], kind, invoice=invoice["id"]
        )


def mark_uncollectible(call: Call, invoice: Obj) -> Obj:
    """Write an invoice off; it can still be paid or voided."""
    _require_open(invoice, "open")
    call.change(
        invoice,
        "invoice.updated",
        status="uncollectible",
        auto_advance=False,
        status_details={"uncollectible": {"reason": "user_forgiven"}},
        status_transitions=_moments(call, invoice, "marked_uncollectible_at"),
    )
    call.emit("invoice.marked_uncollectible", invoice)
    return invoice


def _require_open(invoice: Obj, *allowed: str) -> None:
    if invoice["status"] not in allowed:
        raise Problem(
            f"You can only pass in open invoices. This invoice isn't open: it is "
            f"{invoice['status']}."
        )


@due_action("invoice_overdue")
def _tell_overdue(call: Call, invoice: Obj) -> None:
    if invoice["status"] == "open":
        call.emit("invoice.overdue", invoice)
