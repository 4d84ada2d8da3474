"""What the guard knows of spending limits: whether one stops a project, and which."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, inspect, select
from sqlalchemy.orm import object_session

from flask_billing import clock, money, projects
from flask_billing.errors import SpendingLimitReached
from flask_billing.models import BilledProjectRow, SpendingAlert, table_of
from flask_billing.periods import month_of

__all__ = ["is_stopped", "refusal"]


def is_stopped(project: Any) -> bool:
    """Return whether a spending limit stops a project now, as our row says."""
    session = object_session(project)
    if session is None or not inspect(project).persistent:
        return False
    row = session.get(BilledProjectRow, projects.key_of(project))
    until = None if row is None else row.stopped_until
    return until is not None and until > clock.now()


def refusal(connection: Connection, project_key: str, resource: str | None) -> SpendingLimitReached:
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
