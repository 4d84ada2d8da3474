"""Sets aside what must not be billed before somebody has looked, so that the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from flask import current_app
from sqlalchemy import Connection, bindparam, func, select, update

from flask_billing import clock, money
from flask_billing.invoicing.due import OpenProject
from flask_billing.models import BilledProjectRow, Invoice, table_of
from flask_billing.pricing import Priced
from flask_billing.state import current

__all__ = [
    "AWAITS_REISSUE",
    "PARKED_BECAUSE",
    "Parked",
    "parked",
    "reason_of",
    "unusual",
    "write_parked",
]

#: A void invoice gave back what later months must not take before it is issued anew.
AWAITS_REISSUE = "awaits_reissue"
#: What each reason means, for people.
PARKED_BECAUSE = {
    AWAITS_REISSUE: (
        "the month of a void invoice has to be issued anew first; with --accept, that month stays "
        "void"
    ),
    "unusual_total": "it is many times what the last months came to",
    "negative_quantity": "a quantity is negative",
    "rate_missing": "a rate that was used is missing",
    "wrong_currency": "a rate or an adjustment has another currency than the project",
    "failed": "it could not be closed; the log has the kind of error",
}
_CODES = {
    "currency": "wrong_currency",
    "quantity": "negative_quantity",
    "rate": "rate_missing",
    "unit": "rate_missing",
}
#: With how many invoices an amount is compared.
_LAST = 3
#: How many times the least that can be charged is too little to bother anybody.
_HARMLESS = 200


class Parked(NamedTuple):
    """A project whose next period is not closed before somebody has looked.

    :ivar alike: How many are parked, however few of them were asked for.
    """

    project_key: str
    reason: str
    parked_at: datetime
    closed_until: datetime
    alike: int = 1


def parked(connection: Connection, limit: int | None = None) -> list[Parked]:
    """Return the projects that are parked, the longest first.

    :param limit: How many at most; `None` for all of them.
    """
    row = table_of(BilledProjectRow).c
    query = (
        select(
            row.project_key,
            row.parked_reason,
            row.parked_at,
            row.closed_until,
            func.count().over().label("alike"),
        )
        .where(row.parked_reason.is_not(None))
        .order_by(row.parked_at, row.project_key)
        .limit(limit)
    )
    return [Parked(*found) for found in connection.execute(query)]


def reason_of(error: Exception, project: OpenProject) -> str:
    """Return why a period can't be closed, in one word, and log what has no word."""
    word = str(error.args[0]) if isinstance(error, ValueError) and error.args else ""
    reason = _CODES.get(word, "failed")
    if reason == "failed":
        # Not its text: that may hold a statement with its parameters.
        current_app.logger.error(
            "Closing %s from %s on failed: %s",
            project.key,
            project.period.start,
            type(error).__name__,
        )
    return reason


def unusual(connection: Connection, closed: Sequence[tuple[OpenProject, Priced]]) -> set[str]:
    """Return the projects whose usage costs many times what their last invoices had.

    Usage of closed months that came late counts as well. A project that was parked and is closed
    nevertheless has been looked at, and so has a period that is issued anew.
    """
    factor = current().settings.sanity_factor
    large = {
        project.key: (project, _usage_in(priced))
        for project, priced in closed
        if project.parked_reason in {None, AWAITS_REISSUE}
        and not project.is_reissue
        and _usage_in(priced) > _HARMLESS * money.minimum_charge(project.currency)
    }
    if not factor or not large:
        return set()
    before = min(project.period.start for project, _ in large.values())
    found = _largest(connection, list(large), before)
    return {
        key for key, (_, amount) in large.items() if key in found and amount > factor * found[key]
    }


def write_parked(connection: Connection, reasons: Sequence[tuple[OpenProject, str]]) -> None:
    """Write down why projects are parked, under the locks of their rows."""
    if not reasons:
        return
    row = table_of(BilledProjectRow)
    connection.execute(
        update(row)
        .where(row.c.project_key == bindparam("key"))
        .values(parked_reason=bindparam("reason"), parked_at=bindparam("moment")),
        [
            {"key": project.key, "reason": reason, "moment": clock.now()}
            for project, reason in reasons
        ],
    )


def _usage_in(priced: Priced) -> int:
    return priced.subtotal + sum(group.amount for group in priced.groups if group.kind == "late")


def _largest(connection: Connection, keys: list[str], before: datetime) -> dict[str, int]:
    """Return the largest subtotal of the last invoices of each project that has any."""
    invoice = table_of(Invoice).c
    place = func.row_number().over(
        partition_by=invoice.project_key, order_by=invoice.period_start.desc()
    )
    last = (
        select(invoice.project_key, invoice.subtotal, place.label("place"))
        .where(
            invoice.project_key.in_(keys),
            invoice.live_marker == 1,
            invoice.period_start < before,
        )
        .subquery()
    )
    query = (
        select(last.c.project_key, func.max(last.c.subtotal))
        .where(last.c.place <= _LAST)
        .group_by(last.c.project_key)
    )
    return {key: int(largest) for key, largest in connection.execute(query)}
