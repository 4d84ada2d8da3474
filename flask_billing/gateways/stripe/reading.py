"""Reads Stripe's objects, of whichever API version, into our neutral ones."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask_billing.gateways.protocol import (
    Address,
    Customer,
    CustomerDetails,
    Hold,
    Mandate,
    PaymentMethodDetails,
    RemoteSetupSession,
    TaxId,
    WebhookEndpoint,
)

__all__ = [
    "LOCAL_ID",
    "NOTE",
    "PURPOSE",
    "customer_of",
    "endpoint_of",
    "hold_of",
    "local_id_of",
    "mandate_of",
    "method_of",
    "session_of",
    "tax_id_of",
]

#: Our own names in the metadata of everything that we make.
LOCAL_ID = "flask_billing_id"
PURPOSE = "flask_billing_purpose"
#: The heading that Stripe prints above the note on invoices.
NOTE = "Note"


def local_id_of(thing: Any) -> str | None:
    """Return the id of our row that an object was made for."""
    found: str | None = _get(thing, "metadata", LOCAL_ID)
    return found


def _get(thing: Any, *names: str) -> Any:
    """Follow attributes that may be absent, as keys of Stripe's objects may."""
    for name in names:
        thing = getattr(thing, name, None)
        if thing is None:
            return None
    return thing


def _id(thing: Any) -> str | None:
    """Return the id of an object that may be expanded, not expanded or absent."""
    found: str | None = thing if isinstance(thing, str) else getattr(thing, "id", None)
    return found


def session_of(session: Any) -> RemoteSetupSession:
    """Return a Checkout session in setup mode."""
    intent = _get(session, "setup_intent")
    method = _get(intent, "payment_method")
    status = _get(intent, "status")
    return RemoteSetupSession(
        stripe_id=session.id,
        state=session.status,
        url=_get(session, "url"),
        expires_at=datetime.fromtimestamp(session.expires_at, UTC),
        local_id=local_id_of(session),
        purpose=_get(session, "metadata", PURPOSE),
        customer_id=_id(_get(session, "customer")),
        email=_get(session, "customer_details", "email") or "",
        succeeded=status == "succeeded",
        processing=status == "processing",
        mandate_id=_id(_get(intent, "mandate")),
        payment_method=None if method is None or isinstance(method, str) else method_of(method),
    )


def customer_of(customer: Any) -> Customer:
    """Return a customer; a deleted one has hardly a key left."""
    if getattr(customer, "deleted", False):
        return Customer(stripe_id=customer.id, deleted=True)
    notes = _get(customer, "invoice_settings", "custom_fields") or []
    return Customer(
        stripe_id=customer.id,
        livemode=customer.livemode,
        local_id=local_id_of(customer),
        details=CustomerDetails(
            name=_get(customer, "name") or "",
            company=_get(customer, "business_name") or "",
            email=_get(customer, "email") or "",
            address=_address(_get(customer, "address")),
            invoice_note=next((note.value for note in notes if note.name == NOTE), ""),
        ),
        tax_ids=tuple(tax_id_of(tax_id) for tax_id in _get(customer, "tax_ids", "data") or ()),
    )


def tax_id_of(tax_id: Any) -> TaxId:
    """Return a tax id."""
    return TaxId(
        stripe_id=tax_id.id,
        type=tax_id.type,
        value=_get(tax_id, "value") or "",
        verification=_get(tax_id, "verification", "status") or "unavailable",
    )


def _address(address: Any) -> Address:
    fields = ("line1", "line2", "city", "postal_code", "state", "country")
    return Address(**{field: _get(address, field) or "" for field in fields})


def method_of(method: Any) -> PaymentMethodDetails:
    """Return a payment method of any kind."""
    details = _get(method, method.type)
    return PaymentMethodDetails(
        stripe_id=method.id,
        type=method.type,
        customer_id=_id(_get(method, "customer")),
        brand=_get(details, "display_brand") or _get(details, "brand") or "",
        last4=_get(details, "last4") or "",
        exp_month=_get(details, "exp_month"),
        exp_year=_get(details, "exp_year"),
        wallet=_get(details, "wallet", "type") or "",
        fingerprint=_get(details, "fingerprint") or "",
        holder=_get(method, "billing_details", "name") or "",
        address=_address(_get(method, "billing_details", "address")),
        country=_get(details, "country") or "",
    )


def hold_of(intent: Any) -> Hold:
    """Return a payment intent that holds an amount."""
    states = {"requires_capture": "held", "processing": "processing", "canceled": "released"}
    return Hold(stripe_id=intent.id, state=states.get(intent.status, "declined"))


def mandate_of(mandate: Any) -> Mandate:
    """Return a mandate."""
    return Mandate(
        stripe_id=mandate.id,
        payment_method_id=_id(_get(mandate, "payment_method")),
        active=_get(mandate, "status") == "active",
        multi_use=_get(mandate, "type") != "single_use",
    )


def endpoint_of(endpoint: Any) -> WebhookEndpoint:
    """Return a webhook endpoint."""
    return WebhookEndpoint(
        stripe_id=endpoint.id,
        url=endpoint.url,
        enabled=endpoint.status == "enabled",
        types=frozenset(endpoint.enabled_events),
        api_version=_get(endpoint, "api_version"),
        connect=_get(endpoint, "application") is not None,
        secret=_get(endpoint, "secret"),
    )
