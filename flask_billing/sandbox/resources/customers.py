"""Customers: who pays, with their address, tax ids and payment methods."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.errors import missing_object
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import random_text
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import payment_methods, tax_ids

_SHIPPING = params.group(
    {"address": params.address, "name": params.text(), "phone": params.text()},
    clearable=True,
    required=("address", "name"),
)
_CUSTOM_FIELDS = params.array(
    params.group({"name": params.text(40), "value": params.text(140)}, required=("name", "value")),
    limit=4,
)
_INVOICE_SETTINGS = params.group(
    {
        "custom_fields": _CUSTOM_FIELDS,
        "default_payment_method": params.text(),
        "footer": params.text(),
    }
)
UPDATE: params.Declared = {
    "address": params.address,
    "balance": params.integer(),
    "business_name": params.text(150),
    "description": params.text(),
    "email": params.email,
    "individual_name": params.text(150),
    "invoice_prefix": params.text(12),
    "invoice_settings": _INVOICE_SETTINGS,
    "metadata": params.metadata,
    "name": params.text(256),
    "next_invoice_sequence": params.integer(1),
    "phone": params.text(20),
    "preferred_locales": params.array(params.text()),
    "shipping": _SHIPPING,
    "tax_exempt": params.choice("none", "exempt", "reverse", clearable=True),
}
CREATE: params.Declared = {
    **UPDATE,
    "payment_method": params.text(clearable=False),
    "test_clock": params.text(clearable=False),
    "tax_id_data": params.array(params.group(tax_ids.CREATE, required=("type", "value")), limit=5),
}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "email": params.text(512, clearable=False),
}

_EMPTY_ADDRESS = dict.fromkeys(params.ADDRESS)
_MERGED = ("address", "shipping", "invoice_settings")


def make(call: Call, values: dict[str, Any]) -> Obj:
    """Create a customer with some fields set."""
    customer = call.create(
        "customer",
        "cus_",
        {
            "address": None,
            "balance": 0,
            "currency": None,
            "default_source": None,
            "delinquent": False,
            "description": None,
            "discount": None,
            "email": None,
            "invoice_prefix": random_text(8).upper(),
            "invoice_settings": {
                "custom_fields": None,
                "default_payment_method": None,
                "footer": None,
                "rendering_options": None,
            },
            "metadata": {},
            "name": None,
            "next_invoice_sequence": 1,
            "phone": None,
            "preferred_locales": [],
            "shipping": None,
            "tax_exempt": "none",
            "test_clock": None,
        },
        id_length=14,
    )
    call.change(customer, **_changes(call, customer, values))
    call.emit("customer.created", customer)
    return customer


def revise(call: Call, customer: Obj, values: dict[str, Any]) -> Obj:
    """Write new values to a customer; a hash changes only the fields that were sent."""
    return call.change(customer, "customer.updated", **_changes(call, customer, values))


def _changes(call: Call, customer: Obj, values: dict[str, Any]) -> dict[str, Any]:
    changes = dict(values)
    for name in _MERGED:
        if changes.get(name) is not None:
            changes[name] = {**(customer[name] or {}), **changes[name]}
    if changes.get("address") is not None:
        changes["address"] = {**_EMPTY_ADDRESS, **changes["address"]}
    if "metadata" in changes:
        changes["metadata"] = params.merge_metadata(customer["metadata"], changes["metadata"])
    settings = changes.get("invoice_settings", {})
    settings["custom_fields"] = settings.get("custom_fields") or None
    if settings.get("default_payment_method"):
        param = "invoice_settings[default_payment_method]"
        payment_methods.require_of(call, settings["default_payment_method"], customer, param)
    if "invoice_settings" not in values:
        changes.pop("invoice_settings", None)
    return changes


@route("POST", "/v1/customers", CREATE)
def create(call: Call) -> Obj:
    """Create a customer."""
    values = dict(call.params)
    given_tax_ids = values.pop("tax_id_data", [])
    given_method = values.pop("payment_method", None)
    if "test_clock" in values:
        call.test_clock = call.get(
            "test_helpers.test_clock", values["test_clock"], param="test_clock"
        )["id"]
    customer = make(call, values)
    for number, tax_id in enumerate(given_tax_ids):
        param = f"tax_id_data[{number}][value]"
        tax_ids.add(call, customer["id"], tax_id["type"], tax_id["value"], param=param)
    if given_method:
        method = payment_methods.resolve(call, given_method)
        payment_methods.attach_to(call, method, customer["id"])
    return customer


@route("GET", "/v1/customers", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of customers, all or those with one e-mail address."""
    where = {"email": call.params["email"]} if "email" in call.params else None
    return call.page("customer", where)


@route("GET", "/v1/customers/{customer}")
def retrieve(call: Call, customer: str) -> Obj:
    """Give a customer; one that was deleted says so."""
    found = call.find("customer", customer)
    return found if found is not None and found.get("deleted") else call.get("customer", customer)


@route("POST", "/v1/customers/{customer}", UPDATE)
def update(call: Call, customer: str) -> Obj:
    """Change the fields that were sent."""
    return revise(call, call.get("customer", customer), call.params)


@route("DELETE", "/v1/customers/{customer}")
def delete(call: Call, customer: str) -> Obj:
    """Delete a customer for good; its payment methods can no longer be used."""
    call.get("customer", customer)
    for method in call.store.find(call.scope, "payment_method", {"customer": customer}):
        payment_methods.detach_from(call, method)
    call.emit("customer.deleted", call.get("customer", customer))
    gone = {"id": customer, "object": "customer", "deleted": True}
    call.store.update(gone)
    return gone


@route("GET", "/v1/customers/{customer}/payment_methods", payment_methods.LIST)
def list_payment_methods(call: Call, customer: str) -> Obj:
    """Give a page of a customer's payment methods, newest first."""
    call.get("customer", customer)
    return payment_methods.page(call, customer)


@route("GET", "/v1/customers/{customer}/payment_methods/{payment_method}")
def retrieve_payment_method(call: Call, customer: str, payment_method: str) -> Obj:
    """Give one of a customer's payment methods."""
    call.get("customer", customer)
    found = call.get("payment_method", payment_method)
    if found["customer"] != customer:
        raise missing_object("payment_method", payment_method)
    return found


def _tax_ids_of(call: Call, customer: Obj) -> Obj:
    path = f"/v1/customers/{customer['id']}/tax_ids"
    lister = Call(call.store, call.clock, call.scope, call.base_url, path=path)
    return lister.page("tax_id", {"customer": customer["id"]})


expandable("customer", "invoice_settings.default_payment_method", tax_ids=_tax_ids_of)
