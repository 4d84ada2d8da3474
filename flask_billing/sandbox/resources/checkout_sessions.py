"""Checkout sessions in setup mode: Stripe's own page for saving a payment method."""

from typing import Any

from flask_billing.sandbox.engine import params
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.engine import due_action
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.expand import expandable
from flask_billing.sandbox.engine.ids import new_id
from flask_billing.sandbox.engine.routes import route
from flask_billing.sandbox.engine.store import Obj

from . import setup_intents

HALF_AN_HOUR = 30 * 60
DAY = 24 * 3600
NOT_FOR_SETUP = (
    "discounts",
    "invoice_creation",
    "line_items",
    "optional_items",
    "payment_intent_data",
    "payment_method_collection",
    "saved_payment_method_options",
    "shipping_options",
    "submit_type",
    "subscription_data",
)
_LOCALES = """
    auto bg cs da de el en en-GB es es-419 et fi fil fr fr-CA hr hu id it ja ko lt lv ms mt nb
    nl pl pt pt-BR ro ru sk sl sv th tr vi zh zh-HK zh-TW
"""

_COLLECTED_NAME = params.group(
    {"enabled": params.boolean, "optional": params.boolean}, required=("enabled",)
)
_AUTO = params.choice("auto", "never")


def _ui_mode(value: Any, name: str) -> str:
    current = ("hosted_page", "embedded_page", "elements", "form")
    chosen = params.choice(*current)(value, name)
    if chosen != "hosted_page":
        raise Problem("The sandbox shows Checkout as a hosted_page only.", param=name)
    return "hosted_page"


def _mode(value: Any, name: str) -> str:
    chosen = params.choice("payment", "setup", "subscription")(value, name)
    if chosen != "setup":
        raise Problem("The sandbox runs Checkout in setup mode only.", param=name)
    return "setup"


def _not_for_setup(_: Any, name: str) -> None:
    raise Problem(f"You can not pass `{name}` in `setup` mode.", param=name)


CREATE: params.Declared = {
    "allowed_payment_method_types": params.array(params.text()),
    "billing_address_collection": params.choice("auto", "required"),
    "cancel_url": params.url,
    "client_reference_id": params.text(200),
    "currency": params.text(3),
    "customer": params.text(clearable=False),
    "customer_creation": params.choice("always", "if_required"),
    "customer_email": params.email,
    "customer_update": params.group({"address": _AUTO, "name": _AUTO, "shipping": _AUTO}),
    "excluded_payment_method_types": params.array(params.text()),
    "expires_at": params.integer(0),
    "integration_identifier": params.text(),
    "locale": params.choice(*_LOCALES.split()),
    "metadata": params.metadata,
    "mode": _mode,
    "name_collection": params.group({"business": _COLLECTED_NAME, "individual": _COLLECTED_NAME}),
    "origin_context": params.choice("mobile_app", "web"),
    "payment_method_data": params.group(
        {"allow_redisplay": params.choice("always", "limited", "unspecified")}
    ),
    "payment_method_types": params.payment_method_types,
    "phone_number_collection": params.group({"enabled": params.boolean}, required=("enabled",)),
    "setup_intent_data": params.group(
        {"description": params.text(1000), "metadata": params.metadata}
    ),
    "success_url": params.url,
    "tax_id_collection": params.group(
        {"enabled": params.boolean, "required": params.choice("if_supported", "never")},
        required=("enabled",),
    ),
    "ui_mode": _ui_mode,
    **dict.fromkeys(NOT_FOR_SETUP, _not_for_setup),
}
LIST: params.Declared = {
    **params.PAGE,
    "created": params.created,
    "customer": params.text(clearable=False),
    "customer_details": params.group({"email": params.text()}, required=("email",)),
    "status": params.choice("complete", "expired", "open"),
}


def _check(call: Call) -> None:
    values = call.params
    params.require(values, "mode")
    if not values.get("currency") and not values.get("allowed_payment_method_types"):
        raise Problem(
            "Missing required param: currency. Setup mode needs it unless "
            "`allowed_payment_method_types` is sent.",
            code="parameter_missing",
            param="currency",
        )
    params.require(values, "success_url")
    _check_customer(call)
    expires_at = values.get("expires_at", call.now + DAY)
    if not call.now + HALF_AN_HOUR <= expires_at <= call.now + DAY:
        raise Problem(
            "The `expires_at` timestamp must be between 30 minutes and 24 hours after the Checkout "
            "Session is created.",
            param="expires_at",
        )


def _check_customer(call: Call) -> None:
    values = call.params
    for other in ("customer_creation", "customer_email"):
        if "customer" in values and values.get(other) is not None:
            raise Problem(
                f"You may only specify one of these parameters: customer, {other}.", param=other
            )
    if "customer" in values:
        call.get("customer", values["customer"], param="customer")
    elif "customer_update" in values:
        raise Problem(
            "`customer_update` can only be used with `customer`.", param="customer_update"
        )
    collects_tax_id = values.get("tax_id_collection", {}).get("enabled")
    update = values.get("customer_update", {})
    if collects_tax_id and "customer" in values and update.get("name") != "auto":
        raise Problem(
            "Tax ID collection requires updating business name on the customer. To enable tax ID "
            "collection for an existing customer, please set `customer_update[name]` to `auto`.",
            param="tax_id_collection",
        )


def _make_setup_intent(call: Call, session_id: str) -> Obj:
    data = call.params.get("setup_intent_data", {})
    wanted = {
        "customer": call.params.get("customer"),
        "metadata": data.get("metadata", {}),
        "description": data.get("description"),
        "currency": call.params.get("currency"),
        "allowed_payment_method_types": call.params.get("allowed_payment_method_types"),
        "excluded_payment_method_types": call.params.get("excluded_payment_method_types"),
    }
    return setup_intents.make(call, wanted, session=session_id)


def _new_fields(call: Call, session_id: str, setup_intent: Obj) -> Obj:
    values = call.params
    return {
        "id": session_id,
        "adaptive_pricing": None,
        "after_expiration": None,
        "allow_promotion_codes": None,
        "amount_subtotal": None,
        "amount_total": None,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "billing_address_collection": values.get("billing_address_collection"),
        "cancel_url": values.get("cancel_url"),
        "client_reference_id": values.get("client_reference_id"),
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "currency": values.get("currency"),
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(
            ("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")
        ),
        "customer": values.get("customer"),
        "customer_account": None,
        "customer_creation": values.get(
            "customer_creation", None if "customer" in values else "if_required"
        ),
        "customer_details": None,
        "customer_email": values.get("customer_email"),
        "discounts": None,
        "expires_at": values.get("expires_at", call.now + DAY),
        "integration_identifier": values.get("integration_identifier"),
        "invoice": None,
        "invoice_creation": None,
        "locale": values.get("locale"),
        "metadata": params.merge_metadata({}, values.get("metadata", {})),
        "mode": "setup",
        "origin_context": values.get("origin_context"),
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "always",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": setup_intent["payment_method_types"],
        "payment_status": "no_payment_required",
        "permissions": None,
        "phone_number_collection": values.get("phone_number_collection", {"enabled": False}),
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": setup_intent["id"],
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "submit_type": None,
        "subscription": None,
        "success_url": values["success_url"],
        "total_details": None,
        "ui_mode": "hosted_page",
        "url": f"{call.base_url}/c/pay/{session_id}",
        "wallet_options": None,
    }


def _asked_for(values: dict[str, Any]) -> Obj:
    fields: Obj = {"_customer_update": values.get("customer_update", {})}
    allow = values.get("payment_method_data", {}).get("allow_redisplay")
    fields["_allow_redisplay"] = allow or "unspecified"
    if values.get("allowed_payment_method_types"):
        fields["allowed_payment_method_types"] = values["allowed_payment_method_types"]
    if values.get("excluded_payment_method_types"):
        fields["excluded_payment_method_types"] = values["excluded_payment_method_types"]
    if "name_collection" in values:
        fields["name_collection"] = {
            kind: {"optional": False, **wanted}
            for kind, wanted in values["name_collection"].items()
        }
    tax_ids = {"enabled": False, "required": "never", **values.get("tax_id_collection", {})}
    return {**fields, "tax_id_collection": tax_ids}


@route("POST", "/v1/checkout/sessions", CREATE)
def create(call: Call) -> Obj:
    """Start a session; the person goes on at its `url`."""
    _check(call)
    session_id = new_id("cs_live_a1" if call.scope.livemode else "cs_test_a1", 58)
    setup_intent = _make_setup_intent(call, session_id)
    fields = {**_new_fields(call, session_id, setup_intent), **_asked_for(call.params)}
    session = call.create("checkout.session", "cs_", fields)
    call.schedule(session["expires_at"] - call.now, "expire_session", session)
    return session


@route("GET", "/v1/checkout/sessions", LIST)
def list_all(call: Call) -> Obj:
    """Give a page of sessions."""
    names = ("customer", "status")
    where: dict[str, Any] = {name: call.params[name] for name in names if name in call.params}
    if "customer_details" in call.params:
        where["customer_details.email"] = call.params["customer_details"]["email"]
    return call.page("checkout.session", where)


@route("GET", "/v1/checkout/sessions/{session}")
def retrieve(call: Call, session: str) -> Obj:
    """Give a session."""
    return call.get("checkout.session", session)


@route("POST", "/v1/checkout/sessions/{session}/expire")
def expire(call: Call, session: str) -> Obj:
    """End an open session, so that nobody can complete it any more."""
    found = call.get("checkout.session", session)
    if found["status"] != "open":
        raise Problem(
            'Only Checkout Sessions with a status in ["open"] can be expired. This Checkout '
            f"Session has a status of {found['status']}.",
            param="session",
        )
    return end(call, found)


@due_action("expire_session")
def end(call: Call, session: Obj) -> Obj:
    """Expire a session if it is still open."""
    if session["status"] != "open":
        return session
    intent = call.get("setup_intent", session["setup_intent"])
    setup_intents.cancel_intent(call, intent, "abandoned")
    return call.change(session, "checkout.session.expired", status="expired", url=None)


expandable("checkout.session", "customer", "setup_intent")
