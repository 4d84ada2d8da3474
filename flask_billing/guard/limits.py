"""What stops a project that can pay: its own spending limit, or an invoice that is past due."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, inspect, select
from sqlalchemy.orm import object_session

from flask_billing import clock, money, projects
from flask_billing.errors import SpendingLimitReached
from flask_billing.models import BilledProjectRow, SpendingAlert, table_of
from flask_billing.periods import month_of
from flask_billing.state import current

__all__ = ["reached", "reason_of_stop"]


def reason_of_stop(project: Any) -> str | None:
    """Return what stops a project now, as our row says: `past_due`, `limit` or nothing."""
    session = object_session(project)
    if session is None or not inspect(project).persistent:
        return None
    row = session.get(BilledProjectRow, projects.key_of(project))
    if row is None:
        return None
    if row.past_due_since is not None and current().settings.past_due_stops:
        return "past_due"
    is_stopped = row.stopped_until is not None and row.stopped_until > clock.now()
    return "limit" if is_stopped else None


def reached(connection: Connection, project_key: str, resource: str | None) -> SpendingLimitReached:
    """Return the error that names the limit; a question that only a refusal asks."""
    alert = table_of(SpendingAlert).c
    smallest = (
        select(alert.amount, alert.currency)
        .where(
            alert.project_key == project_key,
            alert.stops_creation,
            alert.raised_for >= month_of(clock.now()).start,
        )
        .order_by(alert.amount)
        .limit(1)
    )
    found = connection.execute(smallest).first()
    limit = None
    if found is not None:
        amount, currency = found
        limit = f"{money.to_major_units(amount, currency)} {currency.upper()}"
    return SpendingLimitReached(project_key=project_key, resource=resource, limit=limit)
