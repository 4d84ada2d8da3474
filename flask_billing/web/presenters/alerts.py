"""Says at which amounts people want to be told, and whether that has happened this month."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask_billing import clock
from flask_billing.models import SpendingAlert
from flask_billing.periods import month_of
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext
from flask_billing.web.times import day

__all__ = ["ShownAlert", "alerts_shown"]


@dataclass(frozen=True)
class ShownAlert:
    """A spending alert in words."""

    id: UUID
    amount: str
    label: str
    stops_creation: bool
    tone: str
    words: str


def alerts_shown(alerts: Iterable[SpendingAlert]) -> list[ShownAlert]:
    """Return alerts in words, the smallest amount first."""
    return [_shown(alert) for alert in sorted(alerts, key=lambda alert: (alert.amount, alert.id))]


def _shown(alert: SpendingAlert) -> ShownAlert:
    tone, words = "wait", gettext("not reached this month")
    if alert.raised_at is not None and alert.raised_for == month_of(clock.now()).start:
        tone, words = "note", gettext("passed on %(day)s", day=day(alert.raised_at.date()))
    elif alert.stops_creation:
        words = gettext("limit, not reached this month")
    return ShownAlert(
        id=alert.id,
        amount=amounts.money(alert.amount, alert.currency),
        label=alert.label or "",
        stops_creation=alert.stops_creation,
        tone=tone,
        words=words,
    )
