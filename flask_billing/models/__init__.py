"""The billing tables: ids, states, amounts and dates. No Flask, no processor."""

from __future__ import annotations

from flask_billing.models.billed_project import (
    BilledProjectRow,
    GatewayAccount,
    SetupSession,
    SyncStamp,
)
from flask_billing.models.billing_info import BillingInfo
from flask_billing.models.payment_method import BannedCard, PaymentHold, PaymentMethod
from flask_billing.models.registry import Model, map_onto, set_livemode_source, table_names
from flask_billing.models.types import UTCDateTime

__all__ = [
    "MODELS",
    "BannedCard",
    "BilledProjectRow",
    "BillingInfo",
    "GatewayAccount",
    "Model",
    "PaymentHold",
    "PaymentMethod",
    "SetupSession",
    "SyncStamp",
    "UTCDateTime",
    "map_onto",
    "set_livemode_source",
    "table_names",
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
)
