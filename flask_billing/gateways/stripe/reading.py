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
    "id_of",
    "local_id_of",
    "mandate_of",
    "method_of",
    "moment_of",
    "part_of",
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
    found: str | None = part_of(thing, "metadata", LOCAL_ID)
    return found


def part_of(thing: Any, *names: str) -> Any:
    """Follow attributes that may be absent, as keys of Stripe's objects may."""
    for name in names:
        thing = getattr(thing, name, None)
        if thing is None:
            return None
    return thing


def id_of(thing: Any) -> str | None:
    """Return the id of an object that may be expanded, not expanded or absent."""
    found: str | None = thing if isinstance(thing, str) else getattr(thing, "id", None)
    return found


def moment_of(seconds: int | None) -> datetime | None:
    """Return the moment that Stripe gives in seconds since 1970, or not at all."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def session_of(session: Any) -> RemoteSetupSession:
    """Return a Checkout session in setup mode."""
    intent = part_of(session, "setup_intent")
    method = part_of(intent, "payment_method")
    status = part_of(intent, "status")
    return RemoteSetupSession(
        stripe_id=session.id,
        state=session.status,
        url=part_of(session, "url"),
        expires_at=datetime.fromtimestamp(session.expires_at, UTC),
        local_id=local_id_of(session),
        purpose=part_of(session, "metadata", PURPOSE),
        customer_id=id_of(part_of(session, "customer")),
        email=part_of(session, "customer_details", "email") or "",
        succeeded=status == "succeeded",
        processing=status == "processing",
        mandate_id=id_of(part_of(intent, "mandate")),
        payment_method=None if method is None or isinstance(method, str) else method_of(method),
    )


def customer_of(customer: Any) -> Customer:
    """Return a customer; a deleted one has hardly a key left."""
    if getattr(customer, "deleted", False):
        return Customer(stripe_id=customer.id, deleted=True)
    notes = part_of(customer, "invoice_settings", "custom_fields") or []
    return Customer(
        stripe_id=customer.id,
        livemode=customer.livemode,
        local_id=local_id_of(customer),
        details=CustomerDetails(
            name=part_of(customer, "name") or "",
            company=part_of(customer, "business_name") or "",
            email=part_of(customer, "email") or "",
            address=_address(part_of(customer, "address")),
            invoice_note=next((note.value for note in notes if note.name == NOTE), ""),
        ),
        tax_ids=tuple(tax_id_of(tax_id) for tax_id in part_of(customer, "tax_ids", "data") or ()),
    )


def tax_id_of(tax_id: Any) -> TaxId:
    """Return a tax id."""
    return TaxId(
        stripe_id=tax_id.id,
        type=tax_id.type,
        value=part_of(tax_id, "value") or "",
        verification=part_of(tax_id, "verification", "status") or "unavailable",
    )


def _address(address: Any) -> Address:
    fields = ("line1", "line2", "city", "postal_code", "state", "country")
    return Address(**{field: part_of(address, field) or "" for field in fields})


def method_of(method: Any) -> PaymentMethodDetails:
    """Return a payment method of any kind."""
    details = part_of(method, method.type)
    return PaymentMethodDetails(
        stripe_id=method.id,
        type=method.type,
        customer_id=id_of(part_of(method, "customer")),
        brand=part_of(details, "display_brand") or part_of(details, "brand") or "",
        last4=part_of(details, "last4") or "",
        exp_month=part_of(details, "exp_month"),
        exp_year=part_of(details, "exp_year"),
        wallet=part_of(details, "wallet", "type") or "",
        fingerprint=part_of(details, "fingerprint") or "",
        holder=part_of(method, "billing_details", "name") or "",
        address=_address(part_of(method, "billing_details", "address")),
        country=part_of(details, "country") or "",
    )


def hold_of(intent: Any) -> Hold:
    """Return a payment intent that holds an amount."""
    states = {"requires_capture": "held", "processing": "processing", "canceled": "released"}
    return Hold(stripe_id=intent.id, state=states.get(intent.status, "declined"))


def mandate_of(mandate: Any) -> Mandate:
    """Return a mandate."""
    return Mandate(
        stripe_id=mandate.id,
        payment_method_id=id_of(part_of(mandate, "payment_method")),
        active=part_of(mandate, "status") == "active",
        multi_use=part_of(mandate, "type") != "single_use",
    )


def endpoint_of(endpoint: Any) -> WebhookEndpoint:
    """Return a webhook endpoint."""
    return WebhookEndpoint(
        stripe_id=endpoint.id,
        url=endpoint.url,
        enabled=endpoint.status == "enabled",
        types=frozenset(endpoint.enabled_events),
        api_version=part_of(endpoint, "api_version"),
        connect=part_of(endpoint, "application") is not None,
        secret=part_of(endpoint, "secret"),
    )
