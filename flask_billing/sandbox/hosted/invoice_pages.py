"""The pages of an invoice: where it is paid, and how it and its credit notes are printed."""

from collections.abc import Mapping
from typing import Any

from flask import Response, redirect, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.engine.call import Call, public
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj, Scope
from flask_billing.sandbox.resources import invoice_lines, payment_intents

from . import invoice as paying
from . import shown
from .checkout import Refused
from .pages import NotFound, base_url, engine, page, pages

pages.add_app_template_filter(shown.money)
pages.add_app_template_filter(shown.day)


@pages.get("/i/<invoice_id>")
def show_invoice(invoice_id: str) -> Response:
    """Show an invoice, and how to pay it while it can be."""
    return _invoice_page(invoice_id, {}, {})


@pages.post("/i/<invoice_id>")
def pay_invoice(invoice_id: str) -> BaseResponse:
    """Take a filled-in invoice page."""
    try:
        intent = submit_payment(engine(), invoice_id, request.form, base_url())
    except Refused as refused:
        return _invoice_page(invoice_id, refused.errors, request.form, status=422)
    if intent["status"] == "requires_action":
        return redirect(intent["next_action"]["redirect_to_url"]["url"], 303)
    return redirect(url_for("hosted.show_invoice", invoice_id=invoice_id), 303)


@pages.get("/i/<invoice_id>/pdf")
def print_invoice(invoice_id: str) -> Response:
    """Show an invoice for printing."""
    scope = _finalized(engine(), invoice_id)
    with engine().step(scope, base_url()) as call:
        return page("invoice_print.html", 200, **_contents(call, invoice_id))


@pages.get("/i/<invoice_id>/credit_notes/<note_id>")
def print_credit_note(invoice_id: str, note_id: str) -> Response:
    """Show a credit note for printing."""
    scope = _finalized(engine(), invoice_id)
    with engine().step(scope, base_url()) as call:
        note = call.find("credit_note", note_id)
        if note is None or note["invoice"] != invoice_id:
            raise NotFound
        shown_note = {"note": public(note), "note_lines": public(note["_lines"])}
        return page("credit_note.html", 200, **shown_note, **_contents(call, invoice_id))


def submit_payment(
    working: Engine, invoice_id: str, values: Mapping[str, str], base_url: str
) -> Obj:
    """Do what the invoice page's form does; gives the payment intent as it is then.

    Raises `Refused` when the page would show errors, also when there is nothing to be paid.
    """
    scope = _finalized(working, invoice_id)
    try:
        with working.step(scope, base_url) as call:
            return paying.pay(call, call.get("invoice", invoice_id), values)
    except Problem as problem:
        raise paying.refusal(problem, values) from None


def answer_bank(working: Engine, intent_id: str, base_url: str, *, passed: bool) -> Obj:
    """Do what the bank's page does for the payment of an invoice; gives the payment intent.

    Raises `Refused` when the payment failed.
    """
    scope, _ = working.store.locate(intent_id) or _missing()
    try:
        with working.step(scope, base_url) as call:
            intent = call.get("payment_intent", intent_id)
            return payment_intents.authenticate(call, intent, passed=passed)
    except Problem as problem:
        raise paying.refusal(problem, {}) from None


def _missing() -> tuple[Scope, Obj]:
    raise NotFound


def _finalized(working: Engine, invoice_id: str) -> Scope:
    scope, invoice = working.store.locate(invoice_id) or _missing()
    if invoice["object"] != "invoice" or invoice["status"] == "draft":
        raise NotFound
    return scope


def _invoice_page(
    invoice_id: str, errors: dict[str, str], values: Mapping[str, Any], *, status: int = 200
) -> Response:
    scope = _finalized(engine(), invoice_id)
    with engine().step(scope, base_url()) as call:
        invoice = call.get("invoice", invoice_id)
        state = paying.state_of(call, invoice)
        saved = paying.saved_methods(call, invoice)
        contents = _contents(call, invoice_id)
        intent = paying.intent_of(call, invoice) or {}
    if state != "payable":
        errors, status = {}, 200
    return page(
        "invoice.html",
        status,
        state=state,
        saved=public(saved),
        chosen=values.get("payment_method") or (saved[0]["id"] if saved else paying.NEW_CARD),
        waiting=_address_of_bank(intent),
        last_error=intent.get("last_payment_error"),
        errors=errors,
        values=values,
        cards=CARDS.values(),
        **contents,
    )


def _address_of_bank(intent: Obj) -> str | None:
    action = intent.get("next_action") or {}
    address: str | None = action.get("redirect_to_url", {}).get("url")
    return address


def _contents(call: Call, invoice_id: str) -> dict[str, Any]:
    invoice = call.get("invoice", invoice_id)
    return {
        "invoice": public(invoice),
        "lines": public(invoice_lines.lines_of(call, invoice_id)),
        "rates": {rate["id"]: rate for rate in _rates(call, invoice)},
    }


def _rates(call: Call, invoice: Obj) -> list[Obj]:
    ids = [tax["tax_rate_details"]["tax_rate"] for tax in invoice["total_taxes"] or ()]
    return [call.get("tax_rate", rate) for rate in ids]
