"""The only code that speaks to a payment processor."""

from __future__ import annotations

from flask_billing.gateways.money import (
    CreditNote,
    InvoiceDocument,
    InvoiceRequest,
    LineRequest,
    RemoteCharge,
    RemoteDispute,
    RemoteInvoice,
    RemoteLine,
    RemotePayment,
    RemoteRefund,
)
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
    "CreditNote",
    "Customer",
    "CustomerDetails",
    "Gateway",
    "Hold",
    "InvoiceDocument",
    "InvoiceRequest",
    "LineRequest",
    "Mandate",
    "PaymentMethodDetails",
    "RemoteCharge",
    "RemoteDispute",
    "RemoteEvent",
    "RemoteInvoice",
    "RemoteLine",
    "RemotePayment",
    "RemoteRefund",
    "RemoteSetupSession",
    "SetupRequest",
    "TaxId",
    "WebhookEndpoint",
]
