"""Credit notes: they lower what a finalized invoice asks for, or give back what was paid."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.paging import window
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import (
    credit_note_lines,
    credit_note_refunds,
    customer_balance,
    invoice_payments,
    invoice_states,
)

NEW: params.Declared = {
    "amount": params.integer(1),
    "credit_amount": params.integer(0),
    "effective_at": params.integer(0),
    "email_type": params.choice("credit_note", "none"),
    "invoice": params.text(clearable=False),
    "lines": credit_note_lines.LINES,
    "memo": params.text(),
    "metadata": params.metadata,
    "out_of_band_amount": params.integer(0),
    "reason": params.choice("duplicate", "fraudulent", "order_change", "product_unsatisfactory"),
    "refund_amount": params.integer(0),
    "refunds": credit_note_refunds.REFUNDS,
}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
    "invoice": params.text(clearable=False),
}


@route("POST", "/v1/credit_notes", NEW)
def create(call: Call) -> Obj:
    """Issue a credit note, and give back what it says."""
    invoice = _creditable_invoice(call)
    note = _drafted(call, invoice)
    linked = credit_note_refunds.linked(call, invoice, of_invoice(call, invoice))
    _require_balanced(note, linked)
    if note["pre_payment_amount"]:
        invoice_payments.require_idle(call, invoice["id"], "update")
    made = credit_note_refunds.make(call, invoice)
    note["refunds"] = [*linked, *made]
    issued = call.create("credit_note", "cn_1", note)
    call.change(
        issued,
        lines=_page(issued["id"], note["_lines"], {}),
        pdf=f"{invoice['hosted_invoice_url']}/credit_notes/{issued['id']}",
    )
    _move_balance(call, issued)
    _count_on_invoice(call, invoice, note["pre_payment_amount"], note["post_payment_amount"])
    call.emit("credit_note.created", issued)
    return issued


@route("GET", "/v1/credit_notes/preview", NEW)
def preview(call: Call) -> Obj:
    """Give the credit note that would be issued; nothing is written."""
    invoice = _creditable_invoice(call)
    note = _drafted(call, invoice)
    note["refunds"] = credit_note_refunds.linked(call, invoice, of_invoice(call, invoice))
    _require_balanced(note, note["refunds"])
    head = {"id": "cn_preview", "object": "credit_note", "created": call.now}
    return {**head, "livemode": call.scope.livemode, **note}


def of_invoice(call: Call, invoice: Obj) -> list[Obj]:
    """Give all credit notes of an invoice, newest first."""
    where = {"customer": invoice["customer"], "invoice": invoice["id"]}
    return call.store.find(call.scope, "credit_note", where)


def _creditable_invoice(call: Call) -> Obj:
    params.require(call.params, "invoice")
    invoice = call.get("invoice", call.params["invoice"], param="invoice")
    if invoice["status"] in ("draft", "void"):
        raise Problem(
            f"A credit note is for a finalized invoice; this one is {invoice['status']}.",
            param="invoice",
        )
    return invoice


def _drafted(call: Call, invoice: Obj) -> Obj:
    values, notes = call.params, of_invoice(call, invoice)
    holding = [note for note in notes if note["status"] == "issued"]
    sums = credit_note_lines.count(call, invoice, holding, values)
    left = invoice["total"] - sum(note["total"] for note in holding)
    if sums.total > left:
        raise Problem(
            f"The credit note's total ({sums.total}) is greater than what is left to be credited "
            f"of the invoice ({left}).",
            param="amount" if "amount" in values else "lines",
        )
    before = min(sums.total, invoice["amount_remaining"])
    after = sums.total - before
    return {
        "amount": sums.total,
        "amount_shipping": 0,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_account": None,
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": values.get("effective_at", call.now),
        "invoice": invoice["id"],
        "lines": _page("preview", sums.lines, {}),
        "memo": values.get("memo"),
        "metadata": params.merge_metadata({}, values.get("metadata", {})),
        "number": f"{invoice['number']}-CN-{len(notes) + 1:02}",
        "out_of_band_amount": values.get("out_of_band_amount"),
        "pdf": f"{invoice['hosted_invoice_url']}/credit_notes/preview",
        "post_payment_amount": after,
        "pre_payment_amount": before,
        "pretax_credit_amounts": [],
        "reason": values.get("reason"),
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": sums.subtotal,
        "subtotal_excluding_tax": sums.without_tax,
        "total": sums.total,
        "total_excluding_tax": sums.without_tax,
        "total_taxes": sums.total_taxes,
        "type": "mixed" if before and after else "pre_payment" if before else "post_payment",
        "voided_at": None,
        "_credited": values.get("credit_amount", 0),
        "_lines": sums.lines,
        "_refunded": values.get("refund_amount", 0),
    }


def _require_balanced(note: Obj, linked: list[Obj]) -> None:
    given = note["_credited"] + note["_refunded"] + (note["out_of_band_amount"] or 0)
    given += sum(entry["amount_refunded"] for entry in linked)
    if given != note["post_payment_amount"]:
        raise Problem(
            f"The sum of refunds, credit_amount and out_of_band_amount ({given}) must equal the "
            f"part of the credit note that was paid ({note['post_payment_amount']})."
        )


def _move_balance(call: Call, note: Obj) -> None:
    if not note["_credited"]:
        return
    customer = call.get("customer", note["customer"], param="invoice")
    moved = customer_balance.move(
        call,
        customer,
        -note["_credited"],
        note["currency"],
        "credit_note",
        invoice=note["invoice"],
        credit_note=note["id"],
    )
    call.change(note, customer_balance_transaction=moved["id"])


def _count_on_invoice(call: Call, invoice: Obj, before: int, after: int) -> None:
    changes = {
        "pre_payment_credit_notes_amount": invoice["pre_payment_credit_notes_amount"] + before,
        "post_payment_credit_notes_amount": invoice["post_payment_credit_notes_amount"] + after,
    }
    call.change(invoice, "invoice.updated", **changes)
    invoice_states.recount(call, invoice)


@route("GET", "/v1/credit_notes", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of credit notes, of one invoice or customer or of all."""
    where: dict[str, Any] = {}
    if "customer" in call.params:
        where["customer"] = call.params["customer"]
    if "invoice" in call.params:
        invoice = call.get("invoice", call.params["invoice"], param="invoice")
        where = {"customer": invoice["customer"], **where, "invoice": invoice["id"]}
    return call.page("credit_note", where)


@route("GET", "/v1/credit_notes/{credit_note}")
def retrieve(call: Call, credit_note: str) -> Obj:
    """Give a credit note."""
    return call.get("credit_note", credit_note)


@route(
    "POST",
    "/v1/credit_notes/{credit_note}",
    {"memo": params.text(), "metadata": params.metadata},
)
def update(call: Call, credit_note: str) -> Obj:
    """Change what is written beside a credit note; its amounts stand."""
    note = call.get("credit_note", credit_note)
    changes = dict(call.params)
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(note["metadata"], changes["metadata"])
    return call.change(note, "credit_note.updated", **changes)


@route("POST", "/v1/credit_notes/{credit_note}/void")
def void(call: Call, credit_note: str) -> Obj:
    """Take back a credit note of an open invoice, which then asks for its amount again."""
    note = call.get("credit_note", credit_note)
    invoice = call.get("invoice", note["invoice"])
    if note["status"] != "issued" or note["type"] != "pre_payment" or invoice["status"] != "open":
        raise Problem(
            "Only a credit note that lowered an invoice that is still open can be voided."
        )
    call.change(note, "credit_note.voided", status="void", voided_at=call.now)
    _count_on_invoice(call, invoice, -note["pre_payment_amount"], 0)
    return note


@route("GET", "/v1/credit_notes/{credit_note}/lines", params.PAGE)
def list_lines(call: Call, credit_note: str) -> Obj:
    """Give a page of a credit note's lines."""
    note = call.get("credit_note", credit_note)
    return _page(credit_note, note["_lines"], call.params)


def _page(credit_note: str, lines: list[Obj], values: dict[str, Any]) -> Obj:
    shown, has_more = window(lines, values, kind="credit_note_line_item")
    return {
        "object": "list",
        "data": shown,
        "has_more": has_more,
        "url": f"/v1/credit_notes/{credit_note}/lines",
    }


expandable("credit_note", "customer", "customer_balance_transaction", "invoice")
