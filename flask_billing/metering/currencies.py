"""Tells and sets what a project is billed in, until something counts in it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import inspect, or_, select
from sqlalchemy.orm import Session

from flask_billing import projects
from flask_billing.errors import CurrencyFixed
from flask_billing.models import (
    Adjustment,
    BilledProjectRow,
    BillingRecord,
    Credit,
    Invoice,
    SpendingAlert,
    Usage,
    table_of,
)

__all__ = ["checked", "fix"]


def checked(currency: Any) -> str:
    """Return a currency as it is kept.

    :raises ValueError: It is no three-letter code.
    """
    if not isinstance(currency, str) or not re.fullmatch(r"[A-Za-z]{3}", currency):
        raise ValueError("A billing currency must be a three-letter code such as eur.")
    return str(currency).lower()


def fix(project: Any, currency: str) -> None:
    """Bill a project in another currency from now on; saves what is unsaved before.

    :raises CurrencyFixed: Something was counted in the one that it has, or alerts are set in it.
    """
    session: Session = inspect(project).session
    session.flush()
    row = projects.row_of(project)
    connection = projects.connection(session)
    table = table_of(BilledProjectRow)
    # Keeps out everyone who is just counting something.
    ours = table.c.project_key == row.project_key
    connection.execute(select(table.c.project_key).where(ours).with_for_update())
    if currency != project.billing_currency:
        _refuse_change(session, row.project_key, project.billing_currency, currency)
    row.currency = currency


def _refuse_change(session: Session, key: str, present: str, wanted: str) -> None:
    if _has_any(session, key, BillingRecord, Usage, Credit, Invoice, Adjustment):
        raise CurrencyFixed(
            f"Project {key} has usage, credit, an adjustment or an invoice in {present} and stays "
            f"with it. Create a new project for {wanted}."
        )
    if _has_any(session, key, SpendingAlert):
        raise CurrencyFixed(
            f"Project {key} has spending alerts in {present}. Remove them first, and set them "
            f"again in {wanted}."
        )


def _has_any(session: Session, key: str, *models: Any) -> bool:
    found = (select(model.id).where(model.project_key == key).exists() for model in models)
    return bool(projects.connection(session).scalar(select(or_(*found))))
