"""Meters what resources use, and counts what projects report."""

from __future__ import annotations

from flask_billing.metering.deferring import deferred
from flask_billing.metering.hooks import listen, listen_last
from flask_billing.metering.migrating import Migrated, migrate
from flask_billing.metering.pausing import start, stop
from flask_billing.metering.reconciling import Drift, Reconciled, reconcile
from flask_billing.metering.resources import adopt
from flask_billing.metering.telling import UsageRow
from flask_billing.metering.usage import UsageResult, record_usage, record_usage_batch

__all__ = [
    "Drift",
    "Migrated",
    "Reconciled",
    "UsageResult",
    "UsageRow",
    "adopt",
    "deferred",
    "listen",
    "listen_last",
    "migrate",
    "reconcile",
    "record_usage",
    "record_usage_batch",
    "start",
    "stop",
]
