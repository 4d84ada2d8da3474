"""Drafts of invoices: what follows from their customer and their lines."""

from typing import Any

from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj

from . import customer_balance, invoice_lines, taxes


def require_draft(invoice: Obj) -> None:
    """Refuse to edit an invoice that was finalized."""
    if invoice["status"] != "draft":
        raise Problem(
            "Finalized invoices can't be updated in this way. Make a credit note, or void it and "
            "make another.",
            code="invoice_not_editable",
            param="invoice",
        )


def totals_of(call: Call, invoice: Obj) -> dict[str, Any]:
    """Give the fields of a draft that its customer and its lines decide."""
    customer = call.find("customer", invoice["customer"]) or {}
    tax_ids = call.store.find(call.scope, "tax_id", {"customer": invoice["customer"]})
    lines = invoice_lines.lines_of(call, invoice["id"])
    status = _count_taxes(call, invoice, lines, customer, tax_ids)
    counted = taxes.sums_of(tax for line in lines for tax in line["taxes"])
    subtotal = sum(line["amount"] for line in lines)
    added = sum(tax["amount"] for tax in counted if tax["tax_behavior"] == "exclusive")
    held = sum(tax["amount"] for tax in counted if tax["tax_behavior"] == "inclusive")
    total = subtotal + added
    followed = {} if customer.get("deleted") else _followed(customer, tax_ids, invoice["currency"])
    return {
        **followed,
        "amount_due": max(total, 0),
        "amount_remaining": max(total, 0),
        "automatic_tax": {**invoice["automatic_tax"], "status": status},
        "lines": invoice_lines.first_page(invoice["id"], lines),
        "subtotal": subtotal,
        "subtotal_excluding_tax": subtotal - held,
        "total": total,
        "total_excluding_tax": subtotal - held,
        "total_taxes": counted,
    }


def _followed(customer: Obj, tax_ids: list[Obj], currency: str) -> Obj:
    return {
        "customer_address": customer["address"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "customer_phone": customer["phone"],
        "customer_shipping": customer["shipping"],
        "customer_tax_exempt": customer["tax_exempt"],
        "customer_tax_ids": [{"type": t["type"], "value": t["value"]} for t in reversed(tax_ids)],
        "starting_balance": customer_balance.balance_in(customer, currency),
    }


def _count_taxes(
    call: Call, invoice: Obj, lines: list[Obj], customer: Obj, tax_ids: list[Obj]
) -> str | None:
    if not invoice["automatic_tax"]["enabled"] or customer.get("deleted"):
        verdict = None
    else:
        verdict = taxes.verdict_on(customer, tax_ids)
    taxation = taxes.Taxation(call, verdict)
    for line in lines:
        counted = taxation.of(line["amount"], line["_tax_behavior"])
        if counted != line["taxes"]:
            call.change(line, taxes=counted)
    return verdict.status if verdict else None
