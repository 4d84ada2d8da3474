"""The billing tables: ids, states, amounts and dates. No Flask, no processor."""

from __future__ import annotations

from flask_billing.models.billed_project import (
    BilledProjectRow,
    GatewayAccount,
    SetupSession,
    SyncStamp,
)
from flask_billing.models.billing_info import BillingInfo
from flask_billing.models.collection import InvoiceCollection, InvoicePayment, PaymentAttempt
from flask_billing.models.credit import Credit, CreditCode, CreditEntry
from flask_billing.models.event import BillingEvent, BillingEventHandling
from flask_billing.models.invoice import Invoice, InvoiceGroup, InvoiceLine
from flask_billing.models.payment_method import BannedCard, PaymentHold, PaymentMethod
from flask_billing.models.refund import Dispute, InvoiceRefund
from flask_billing.models.registry import (
    Model,
    map_onto,
    set_livemode_source,
    table_names,
    table_of,
)
from flask_billing.models.running import AuditEntry, BillingWorker, Notification
from flask_billing.models.terms import Adjustment, Allowance, Discount, SpendingAlert
from flask_billing.models.types import UTCDateTime
from flask_billing.models.usage import (
    BillingPause,
    BillingRate,
    BillingRecord,
    Usage,
    UsageTotal,
)

__all__ = [
    "MODELS",
    "Adjustment",
    "Allowance",
    "AuditEntry",
    "BannedCard",
    "BilledProjectRow",
    "BillingEvent",
    "BillingEventHandling",
    "BillingInfo",
    "BillingPause",
    "BillingRate",
    "BillingRecord",
    "BillingWorker",
    "Credit",
    "CreditCode",
    "CreditEntry",
    "Discount",
    "Dispute",
    "GatewayAccount",
    "Invoice",
    "InvoiceCollection",
    "InvoiceGroup",
    "InvoiceLine",
    "InvoicePayment",
    "InvoiceRefund",
    "Model",
    "Notification",
    "PaymentAttempt",
    "PaymentHold",
    "PaymentMethod",
    "SetupSession",
    "SpendingAlert",
    "SyncStamp",
    "UTCDateTime",
    "Usage",
    "UsageTotal",
    "map_onto",
    "set_livemode_source",
    "table_names",
    "table_of",
]

#: Every billing model, parents before children.
MODELS: tuple[type[Model], ...] = (
    BillingInfo,
    PaymentMethod,
    BilledProjectRow,
    SetupSession,
    GatewayAccount,
    SyncStamp,
    BannedCard,
    PaymentHold,
    BillingEvent,
    BillingEventHandling,
    BillingRate,
    BillingRecord,
    BillingPause,
    Usage,
    UsageTotal,
    Invoice,
    Adjustment,
    Discount,
    Allowance,
    InvoiceLine,
    InvoiceGroup,
    CreditCode,
    Credit,
    CreditEntry,
    SpendingAlert,
    InvoiceCollection,
    PaymentAttempt,
    InvoicePayment,
    InvoiceRefund,
    Dispute,
    Notification,
    BillingWorker,
    AuditEntry,
)
