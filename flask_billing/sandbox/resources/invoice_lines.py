"""Lines of invoices: at most 250 each, in the order in which they were added."""

from collections.abc import Sequence
from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

LIMIT = 250
SHOWN = 10


def lines_of(call: Call, invoice: str) -> list[Obj]:
    """Give all lines of an invoice."""
    return call.store.find(call.scope, "line_item", {"invoice": invoice}, oldest_first=True)


def add(call: Call, invoice: Obj, item: Obj) -> Obj:
    """Put an invoice item on a draft; `recount` is the caller's."""
    if call.store.count(call.scope, "line_item", {"invoice": invoice["id"]}) >= LIMIT:
        raise Problem(
            f"An invoice can have at most {LIMIT} invoice items. Put more on another invoice.",
            param="invoice",
        )
    line: Obj = {
        "id": new_id("il_1"),
        "object": "line_item",
        "discount_amounts": [],
        "discounts": [],
        "invoice": invoice["id"],
        "livemode": call.scope.livemode,
        "metadata": item["metadata"],
        "parent": {
            "invoice_item_details": {
                "invoice_item": item["id"],
                "proration": False,
                "proration_details": {"credited_items": None},
                "subscription": None,
            },
            "subscription_item_details": None,
            "type": "invoice_item_details",
        },
        "pretax_credit_amounts": [],
        "subscription": None,
        "taxes": [],
        "_item": item["id"],
        **_copied(item),
    }
    call.store.insert(call.scope, line)
    return line


def follow_item(call: Call, item: Obj) -> None:
    """Write an item's new state to its line."""
    for line in lines_of(call, item["invoice"]):
        if line["_item"] == item["id"]:
            call.change(line, **_copied(item), metadata=item["metadata"])


def _copied(item: Obj) -> Obj:
    names = ("amount", "currency", "description", "discountable", "period", "pricing", "quantity")
    copied = {name: item[name] for name in names}
    behavior = item["_tax_behavior"]
    return {**copied, "subtotal": item["amount"], "_tax_behavior": behavior}


def drop(call: Call, item: Obj) -> None:
    """Take an item's line off its draft."""
    for line in lines_of(call, item["invoice"]):
        if line["_item"] == item["id"]:
            call.store.remove(line["id"])


def first_page(invoice: str, lines: Sequence[Obj]) -> Obj:
    """Give the lines that stand in the invoice itself."""
    return {
        "object": "list",
        "data": list(lines[:SHOWN]),
        "has_more": len(lines) > SHOWN,
        "url": f"/v1/invoices/{invoice}/lines",
    }


@route("GET", "/v1/invoices/{invoice}/lines", params.PAGE)
def list_all(call: Call, invoice: str) -> Obj:
    """Give a page of an invoice's lines, first line first."""
    call.get("invoice", invoice)
    lines = lines_of(call, invoice)
    limit = call.params.get("limit", 10)
    if "ending_before" in call.params:
        end = _place(lines, "ending_before", call.params)
        start = max(end - limit, 0)
        return {**first_page(invoice, ()), "data": lines[start:end], "has_more": start > 0}
    start = 0
    if "starting_after" in call.params:
        start = _place(lines, "starting_after", call.params) + 1
    end = start + limit
    return {**first_page(invoice, ()), "data": lines[start:end], "has_more": end < len(lines)}


def _place(lines: list[Obj], name: str, values: dict[str, Any]) -> int:
    for place, line in enumerate(lines):
        if line["id"] == values[name]:
            return place
    raise missing_object("line_item", values[name], param=name)


expandable("line_item", "invoice")
