"""Billing for multi-tenant Flask apps: no project creates anything billable before it can pay."""

from flask_billing.customers import DetailsRefused
from flask_billing.errors import (
    BillingDisabled,
    BillingError,
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    MethodNeeded,
    NotOurs,
    PaymentActionRequired,
    PaymentDeclined,
    PaymentMethodRequired,
    SessionUnfinished,
    SharingRefused,
    UnsupportedOperation,
)
from flask_billing.extension import Billing
from flask_billing.mixins import BillableResource, BilledProject
from flask_billing.models import (
    BannedCard,
    BilledProjectRow,
    BillingInfo,
    GatewayAccount,
    PaymentHold,
    PaymentMethod,
    SetupSession,
    SyncStamp,
)
from flask_billing.settings import Settings, SettingsError
from flask_billing.signals import (
    billing_details_changed,
    payment_method_added,
    payment_method_refused,
    payment_method_removed,
)

__all__ = [
    "BannedCard",
    "BillableResource",
    "BilledProject",
    "BilledProjectRow",
    "Billing",
    "BillingDisabled",
    "BillingError",
    "BillingInfo",
    "DetailsRefused",
    "GatewayAccount",
    "GatewayError",
    "GatewayRefusal",
    "GatewayUnavailable",
    "MethodNeeded",
    "NotOurs",
    "PaymentActionRequired",
    "PaymentDeclined",
    "PaymentHold",
    "PaymentMethod",
    "PaymentMethodRequired",
    "SessionUnfinished",
    "Settings",
    "SettingsError",
    "SetupSession",
    "SharingRefused",
    "SyncStamp",
    "UnsupportedOperation",
    "billing_details_changed",
    "payment_method_added",
    "payment_method_refused",
    "payment_method_removed",
]
