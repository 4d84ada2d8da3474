"""Raises the alerts whose amount is reached, each once a month."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, exists, or_, select, update

from flask_billing import clock, invoicing, notifying, projects
from flask_billing.invoicing import RunningMonth
from flask_billing.models import BilledProjectRow, SpendingAlert, table_of
from flask_billing.periods import Span, month_of
from flask_billing.signals import spending_alert
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["RaiseReport", "raise_due", "raise_of"]

#: How many projects are looked up at once.
_PAGE = 500


@dataclass(frozen=True)
class RaiseReport:
    """How many alerts were raised, and for how many projects that failed."""

    raised: int
    failed: int


def raise_due(*, stop: Callable[[], bool] = lambda: False) -> RaiseReport:
    """Raise every alert whose amount the running month has reached; commits the session.

    Each is raised once a month, at most: the signal is sent after that is committed. Safe on
    several hosts at once, and one project's failure does not stop the rest.

    :param stop: Asked between two projects whether to leave the rest for later.
    """
    require_clean()
    raised = failed = 0
    for project_key in _projects():
        if stop():
            break
        count = raise_of(project_key)
        if count is None:
            failed += 1
        else:
            raised += count
    return RaiseReport(raised=raised, failed=failed)


def raise_of(project_key: str, *, just_set: UUID | None = None) -> int | None:
    """Raise what is due of one project; commits the session.

    :param just_set: The alert that somebody has set just now, and sees raised: people are told of
        such once a day, however often it is done.
    :returns: How many alerts that is; `None` where it failed, which is logged: the next look goes
        on with what is not marked by then.
    """
    try:
        return _raise_of(project_key, just_set)
    except Exception as error:  # noqa: BLE001 - nobody else must suffer from it
        current().db.session.rollback()
        # Its text may hold a statement with its parameters.
        current_app.logger.warning(
            "The spending alerts of project %s failed: %s", project_key, type(error).__name__
        )
        return None


def _projects() -> Iterator[str]:
    """Yield the projects with an alert that this month may still raise, in pages."""
    session = current().db.session
    alert, row = table_of(SpendingAlert).c, table_of(BilledProjectRow).c
    this_month, last = month_of(clock.now()).start, ""
    while True:
        query = (
            select(alert.project_key)
            .join_from(alert.project_key.table, row.project_key.table)
            .where(
                alert.project_key > last,
                row.ended_at.is_(None),
                _is_open(this_month),
            )
            .distinct()
            .order_by(alert.project_key)
            .limit(_PAGE)
        )
        page = list(session.scalars(query))
        session.commit()
        yield from page
        if len(page) < _PAGE:
            return
        last = page[-1]


def _raise_of(project_key: str, just_set: UUID | None) -> int:
    session = current().db.session
    running = invoicing.running(project_key)
    month, spent = month_of(running.period.start), running.priced.subtotal
    due = (
        select(SpendingAlert.id, SpendingAlert.amount)
        .join(BilledProjectRow, BilledProjectRow.project_key == SpendingAlert.project_key)
        .where(
            BilledProjectRow.ended_at.is_(None),
            SpendingAlert.project_key == project_key,
            SpendingAlert.currency == running.currency,
            SpendingAlert.amount <= spent,
            _is_open(month.start),
        )
        .order_by(SpendingAlert.amount, SpendingAlert.id)
    )
    found = session.execute(due).all()
    session.commit()
    raised = 0
    for alert_id, amount in found:
        topic = f"{alert_id}-{month.start:%Y-%m}-{amount}"
        if alert_id == just_set:
            name = hashlib.sha256(project_key.encode()).hexdigest()[:32]
            topic = f"{name}-{clock.now():%Y-%m-%d}"
        if _mark(project_key, alert_id, amount, month, running, topic):
            raised += 1
            _tell(session.get(SpendingAlert, alert_id), project_key, spent, running.currency)
    return raised


def _mark(
    project_key: str, alert_id: UUID, amount: int, month: Span, running: RunningMonth, topic: str
) -> bool:
    """Note that an alert is raised, and stop what it stops; whether nobody else has done so."""
    connection = fresh_connection()
    projects.lock(connection, [project_key])
    alert, row = table_of(SpendingAlert), table_of(BilledProjectRow)
    # It may have been changed, removed, or raised elsewhere meanwhile.
    marked = connection.execute(
        update(alert)
        .where(alert.c.id == alert_id, alert.c.amount == amount, _is_open(month.start))
        .values(raised_for=month.start, raised_at=clock.now())
    ).rowcount
    stops = exists().where(alert.c.id == alert_id, alert.c.stops_creation)
    if marked:
        connection.execute(
            update(row)
            .where(row.c.project_key == project_key, stops)
            .values(stopped_until=month.end)
        )
        notifying.note(
            connection,
            "spending_alert",
            f"spending_alert-{topic}",
            project_key=project_key,
            alert_id=alert_id,
            amount=running.priced.subtotal,
            currency=running.currency,
        )
    current().db.session.commit()
    return bool(marked)


def _tell(alert: SpendingAlert | None, project_key: str, amount: int, currency: str) -> None:
    if alert is not None:
        spending_alert.send(
            current_app._get_current_object(),  # type: ignore[attr-defined]
            alert=alert,
            project_key=project_key,
            amount=amount,
            currency=currency,
        )


def _is_open(month_start: datetime) -> ColumnElement[bool]:
    """Return the condition that an alert was not raised in the month that begins then."""
    raised_for = table_of(SpendingAlert).c.raised_for
    return or_(raised_for.is_(None), raised_for < month_start)
