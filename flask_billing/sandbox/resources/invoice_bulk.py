"""Adding, changing and taking off many lines of a draft with one call."""

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import invoice_drafts, invoice_items, invoice_lines, invoice_states

_ID = params.text(clearable=False)


def _lines(declared: params.Declared, *required: str) -> params.Declared:
    line = params.group(declared, required=required)
    return {
        "invoice_metadata": params.metadata,
        "lines": params.array(line, limit=invoice_lines.LIMIT),
    }


def _draft(call: Call, invoice: str) -> Obj:
    found = call.get("invoice", invoice)
    params.require(call.params, "lines")
    invoice_drafts.require_draft(found)
    if "invoice_metadata" in call.params:
        given = call.params["invoice_metadata"]
        call.change(found, metadata=params.merge_metadata(found["metadata"], given))
    return found


def _item_of(call: Call, invoice: Obj, line: str, param: str) -> Obj:
    found = call.find("line_item", line)
    if found is None or found["invoice"] != invoice["id"]:
        raise missing_object("line_item", line, param=param)
    return call.get("invoiceitem", found["_item"])


@route(
    "POST",
    "/v1/invoices/{invoice}/add_lines",
    _lines({**invoice_items.LINE, "invoice_item": _ID}),
)
def add_lines(call: Call, invoice: str) -> Obj:
    """Add lines, new ones or those of items that wait; all of them, or none when one is refused."""
    found = _draft(call, invoice)
    for number, values in enumerate(call.params["lines"]):
        if "invoice_item" in values:
            item = _waiting(call, found, values["invoice_item"], f"lines[{number}][invoice_item]")
            call.change(item, invoice=invoice)
            invoice_lines.add(call, found, item)
        else:
            invoice_items.make(call, found["customer"], found["currency"], found, values)
    return invoice_states.recount(call, found)


def _waiting(call: Call, invoice: Obj, given: str, param: str) -> Obj:
    item = call.get("invoiceitem", given, param=param)
    same = item["customer"] == invoice["customer"] and item["currency"] == invoice["currency"]
    if item["invoice"] is not None or not same:
        raise Problem(
            "The invoice item is on an invoice, or of another customer or currency.", param=param
        )
    return item


@route(
    "POST",
    "/v1/invoices/{invoice}/update_lines",
    _lines({**invoice_items.LINE, "id": _ID}, "id"),
)
def update_lines(call: Call, invoice: str) -> Obj:
    """Change lines."""
    found = _draft(call, invoice)
    for number, values in enumerate(call.params["lines"]):
        item = _item_of(call, found, values["id"], f"lines[{number}][id]")
        invoice_items.revise(call, item, values)
    return invoice_states.recount(call, found)


@route(
    "POST",
    "/v1/invoices/{invoice}/remove_lines",
    _lines({"behavior": params.choice("delete", "unassign"), "id": _ID}, "id", "behavior"),
)
def remove_lines(call: Call, invoice: str) -> Obj:
    """Take lines off, and delete their items or have them wait for another invoice."""
    found = _draft(call, invoice)
    for number, values in enumerate(call.params["lines"]):
        item = _item_of(call, found, values["id"], f"lines[{number}][id]")
        if values["behavior"] == "delete":
            invoice_items.take_off(call, item)
        else:
            invoice_lines.drop(call, item)
            call.change(item, invoice=None)
    return invoice_states.recount(call, found)
