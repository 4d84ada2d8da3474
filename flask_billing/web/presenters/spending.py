"""Gathers what the billing page says of money: the running month, invoices and credit."""

from __future__ import annotations

from typing import Any

from flask import current_app

from flask_billing import credits, invoicing, projects
from flask_billing.periods import Span
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.presenters.invoices import invoices_shown
from flask_billing.web.presenters.month import month_shown

__all__ = ["running_of", "spending_of"]

_INVOICES = 6


def spending_of(project: Any) -> dict[str, Any]:
    """Return what the templates need, in a bounded number of statements.

    Nothing where the app has no rates: it lets nothing cost anything.
    """
    if not len(current().settings.rates):
        return {"has_usage": False}
    key = projects.key_of(project)
    running = running_of(key)
    found = invoicing.invoices_of(key, limit=_INVOICES)
    credit = credits.balance(key)
    return {
        "has_usage": True,
        "month": month_shown(running) if running is not None else None,
        "invoices": invoices_shown(found),
        "credit": amounts.money(credit, project.billing_currency) if credit else "",
    }


def running_of(project_key: str, month: Span | None = None) -> invoicing.RunningMonth | None:
    """Return what a month costs so far; `None` where it can't be priced, which is logged."""
    try:
        return invoicing.running(project_key, month=month)
    except (ArithmeticError, ValueError) as error:
        current_app.logger.warning(
            "The usage of project %s can't be priced: %s", project_key, error
        )
        return None
