"""Invoice items: what is to be paid, on a draft or waiting for one."""

import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import Problem, missing_object
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import invoice_drafts, invoice_lines, invoice_states


def _decimal(value: Any, name: str) -> Decimal:
    if not isinstance(value, str) or re.fullmatch(r"-?\d{1,15}(\.\d{1,12})?", value) is None:
        raise Problem(f"Invalid decimal: {name}", param=name)
    return Decimal(value)


_PERIOD = params.group(
    {"end": params.integer(0), "start": params.integer(0)}, required=("start", "end")
)
LINE: params.Declared = {
    "amount": params.integer(),
    "description": params.text(),
    "discountable": params.boolean,
    "metadata": params.metadata,
    "period": _PERIOD,
    "pricing": params.group({"price": params.text(clearable=False)}),
    "quantity": params.integer(0),
}
UPDATE: params.Declared = {
    **LINE,
    "tax_behavior": params.choice("exclusive", "inclusive", "unspecified"),
    "tax_code": params.text(),
    "unit_amount_decimal": _decimal,
}
CREATE: params.Declared = {
    **UPDATE,
    "currency": params.text(3, clearable=False),
    "customer": params.text(clearable=False),
    "invoice": params.text(clearable=False),
}
LIST: params.Declared = {
    **params.PAGE,
    "customer": params.text(clearable=False),
    "invoice": params.text(clearable=False),
    "pending": params.boolean,
}


def make(call: Call, customer: str, currency: str, invoice: Obj | None, values: Obj) -> Obj:
    """Write a new item, and its line when it is for a draft; `recount` is the caller's."""
    price = _price(values)
    if invoice is not None and invoice["automatic_tax"]["enabled"] and price["amount"] < 0:
        raise Problem("Negative amounts cannot be added to automatic tax invoices.", param="amount")
    item: Obj = {
        "id": new_id("ii_1"),
        "object": "invoiceitem",
        "amount": 0,
        "currency": currency,
        "customer": customer,
        "customer_account": None,
        "date": call.now,
        "description": values.get("description"),
        "discountable": values.get("discountable", True),
        "discounts": [],
        "invoice": invoice["id"] if invoice else None,
        "livemode": call.scope.livemode,
        "metadata": params.merge_metadata({}, values.get("metadata", {})),
        "net_amount": 0,
        "parent": None,
        "period": values.get("period", {"end": call.now, "start": call.now}),
        "pricing": None,
        "proration": False,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": call.test_clock,
        "_tax_behavior": values.get("tax_behavior", "unspecified"),
        **price,
    }
    call.store.insert(call.scope, item)
    if invoice is not None:
        invoice_lines.add(call, invoice, item)
    call.emit("invoiceitem.created", item)
    return item


def _price(values: Obj) -> Obj:
    if "pricing" in values:
        raise missing_object("price", str(values["pricing"].get("price")), param="pricing[price]")
    if "amount" in values and "unit_amount_decimal" in values:
        raise Problem(
            "You may only specify one of these parameters: amount, unit_amount_decimal.",
            param="amount",
        )
    if "unit_amount_decimal" not in values:
        params.require(values, "amount")
        return {"amount": values["amount"], "net_amount": values["amount"]}
    quantity = values.get("quantity", 1)
    exact = values["unit_amount_decimal"] * quantity
    amount = int(exact.quantize(Decimal(1), ROUND_HALF_UP))
    return {
        "amount": amount,
        "net_amount": amount,
        "pricing": {
            "type": "price_details",
            "unit_amount_decimal": f"{values['unit_amount_decimal'].normalize():f}",
        },
        "quantity": quantity,
        "quantity_decimal": str(quantity),
    }


def revise(call: Call, item: Obj, values: Obj) -> Obj:
    """Write new values to an item and its line; `recount` is the caller's."""
    plain = ("description", "discountable", "period")
    changes = {name: values[name] for name in plain if name in values}
    if values.keys() & {"amount", "pricing", "unit_amount_decimal"}:
        changes.update(_price({"quantity": item["quantity"], **values}))
    if "metadata" in values:
        changes["metadata"] = params.merge_metadata(item["metadata"], values["metadata"])
    if "tax_behavior" in values:
        changes["_tax_behavior"] = values["tax_behavior"]
    call.change(item, **changes)
    if item["invoice"] is not None:
        invoice_lines.follow_item(call, item)
    return item


def take_off(call: Call, item: Obj) -> None:
    """Delete an item and its line; `recount` is the caller's."""
    if item["invoice"] is not None:
        invoice_lines.drop(call, item)
    call.store.remove(item["id"])
    call.emit("invoiceitem.deleted", item)


def pending_of(call: Call, customer: str, currency: str) -> list[Obj]:
    """Give the items that wait for an invoice in a currency, newest first."""
    waiting = ("json_extract(body, '$.invoice') IS NULL",)
    where = {"customer": customer, "currency": currency}
    return call.store.find(call.scope, "invoiceitem", where, extra=waiting)


def _draft_of(call: Call, item: Obj) -> Obj | None:
    if item["invoice"] is None:
        return None
    invoice = call.get("invoice", item["invoice"], param="invoice")
    invoice_drafts.require_draft(invoice)
    return invoice


@route("POST", "/v1/invoiceitems", CREATE)
def create(call: Call) -> Obj:
    """Add an item to a draft, or have it wait for the next one."""
    values = call.params
    params.require(values, "customer")
    customer = call.get("customer", values["customer"], param="customer")
    if "invoice" not in values:
        params.require(values, "currency")
        return make(call, customer["id"], values["currency"].lower(), None, values)
    invoice = call.get("invoice", values["invoice"], param="invoice")
    invoice_drafts.require_draft(invoice)
    if invoice["customer"] != customer["id"]:
        raise Problem("The invoice is of another customer than the item.", param="invoice")
    if "currency" in values and values["currency"].lower() != invoice["currency"]:
        raise Problem("The currency of an item must be that of its invoice.", param="currency")
    item = make(call, customer["id"], invoice["currency"], invoice, values)
    invoice_states.recount(call, invoice)
    return item


@route("GET", "/v1/invoiceitems", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of items, newest first."""
    names = ("customer", "invoice")
    where = {name: call.params[name] for name in names if name in call.params}
    extra = []
    if "pending" in call.params:
        missing = "" if call.params["pending"] else "NOT "
        extra.append(f"json_extract(body, '$.invoice') IS {missing}NULL")
    return call.page("invoiceitem", where, extra=extra)


@route("GET", "/v1/invoiceitems/{invoiceitem}")
def retrieve(call: Call, invoiceitem: str) -> Obj:
    """Give an item."""
    return call.get("invoiceitem", invoiceitem)


@route("POST", "/v1/invoiceitems/{invoiceitem}", UPDATE)
def update(call: Call, invoiceitem: str) -> Obj:
    """Change an item that is on no finalized invoice."""
    item = call.get("invoiceitem", invoiceitem)
    invoice = _draft_of(call, item)
    revise(call, item, call.params)
    if invoice is not None:
        invoice_states.recount(call, invoice)
    return item


@route("DELETE", "/v1/invoiceitems/{invoiceitem}")
def delete(call: Call, invoiceitem: str) -> Obj:
    """Delete an item that is on no finalized invoice."""
    item = call.get("invoiceitem", invoiceitem)
    invoice = _draft_of(call, item)
    take_off(call, item)
    if invoice is not None:
        invoice_states.recount(call, invoice)
    return {"id": invoiceitem, "object": "invoiceitem", "deleted": True}


expandable("invoiceitem", "customer", "invoice")
