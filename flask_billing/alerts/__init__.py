"""Spending alerts: amounts at which a project's members want to be told, or stopped."""

from __future__ import annotations

from flask_billing.alerts.raising import RaiseReport, raise_due
from flask_billing.alerts.setting import MOST, alerts_of, change_alert, remove_alert, set_alert

__all__ = [
    "MOST",
    "RaiseReport",
    "alerts_of",
    "change_alert",
    "raise_due",
    "remove_alert",
    "set_alert",
]
