"""The only code that speaks to a payment processor."""

from __future__ import annotations

from flask_billing.gateways.protocol import (
    Address,
    Customer,
    CustomerDetails,
    Gateway,
    Hold,
    Mandate,
    PaymentMethodDetails,
    RemoteEvent,
    RemoteSetupSession,
    SetupRequest,
    TaxId,
    WebhookEndpoint,
)

__all__ = [
    "Address",
    "Customer",
    "CustomerDetails",
    "Gateway",
    "Hold",
    "Mandate",
    "PaymentMethodDetails",
    "RemoteEvent",
    "RemoteSetupSession",
    "SetupRequest",
    "TaxId",
    "WebhookEndpoint",
]
