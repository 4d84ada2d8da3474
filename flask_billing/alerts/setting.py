"""What members set: the amounts at which they are told, or nothing more is created."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, delete, func, select, update

from flask_billing import clock, invoicing, money
from flask_billing.alerts.labels import clean
from flask_billing.alerts.raising import raise_of
from flask_billing.errors import AlertRefused
from flask_billing.models import BilledProjectRow, SpendingAlert, table_of
from flask_billing.periods import month_of
from flask_billing.state import current
from flask_billing.transactions import begin_for

__all__ = ["MOST", "alerts_of", "change_alert", "remove_alert", "set_alert"]

#: How many alerts a project has at most.
MOST = 10

_LIMIT = 10**15


def set_alert(
    project_key: str, amount: int, *, label: str | None = None, stops_creation: bool = False
) -> SpendingAlert:
    """Have a project's members told once a month when its usage costs so much; commits the session.

    Where the running month costs that already, the alert is raised at once.

    :param amount: In minor units of the project's currency, above 0.
    :param label: A word of the member's own, at most 40 characters.
    :param stops_creation: Whether nothing billable is created from then on, until the month is
        over.
    :raises AlertRefused: The amount or the label can't be meant, or there are too many alerts.
    :raises UnknownProject: There is no such project.
    """
    cleaned = clean(label)
    connection = begin_for(project_key)
    session = current().db.session
    try:
        currency = _currency_of(connection, project_key)
        _check_amount(amount, currency)
        _refuse_another(connection, project_key)
        alert = SpendingAlert(
            project_key=project_key,
            amount=amount,
            currency=currency,
            label=cleaned,
            stops_creation=stops_creation,
        )
        session.add(alert)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    raise_of(project_key, just_set=alert.id)
    return alert


def change_alert(project_key: str, alert_id: UUID, amount: int) -> SpendingAlert | None:
    """Give an alert another amount; commits the session.

    Where the month costs less than that so far, the alert is no longer raised, and what it stopped
    goes on; where it costs that already, it is raised at once.

    :returns: `None` where the project has no such alert.
    :raises AlertRefused: The amount can't be meant.
    """
    spent = invoicing.running(project_key).priced.subtotal
    connection = begin_for(project_key)
    session = current().db.session
    try:
        alert = _find(project_key, alert_id)
        if alert is not None:
            _check_amount(amount, alert.currency)
            alert.amount = amount
            if spent < amount:
                alert.raised_for = alert.raised_at = None
            session.flush()
            lift(connection, project_key)
        session.commit()
    except BaseException:
        session.rollback()
        raise
    if alert is not None:
        raise_of(project_key, just_set=alert_id)
    return alert


def remove_alert(project_key: str, alert_id: UUID) -> bool:
    """Remove an alert, and let go on what it alone stopped; commits the session.

    :returns: Whether the project had such an alert.
    """
    connection = begin_for(project_key)
    alert = table_of(SpendingAlert)
    gone = connection.execute(
        delete(alert).where(alert.c.id == alert_id, alert.c.project_key == project_key)
    )
    lift(connection, project_key)
    current().db.session.commit()
    return bool(gone.rowcount)


def alerts_of(project_key: str) -> list[SpendingAlert]:
    """Return the alerts of a project, the smallest amount first."""
    query = select(SpendingAlert).where(SpendingAlert.project_key == project_key)
    smallest = query.order_by(SpendingAlert.amount, SpendingAlert.id)
    return list(current().db.session.scalars(smallest))


def lift(connection: Connection, project_key: str) -> None:
    """Let creation go on where no alert of this month stops it, under the lock of the row."""
    if not _is_stopped(connection, project_key, month_of(clock.now()).start):
        row = table_of(BilledProjectRow)
        connection.execute(
            update(row)
            .where(row.c.project_key == project_key, row.c.stopped_until.is_not(None))
            .values(stopped_until=None)
        )


def _is_stopped(connection: Connection, project_key: str, month: datetime) -> bool:
    alert = table_of(SpendingAlert).c
    stopping = select(func.count()).where(
        alert.project_key == project_key, alert.stops_creation, alert.raised_for >= month
    )
    return bool(connection.scalar(stopping))


def _find(project_key: str, alert_id: UUID) -> SpendingAlert | None:
    query = select(SpendingAlert).where(
        SpendingAlert.id == alert_id, SpendingAlert.project_key == project_key
    )
    found: SpendingAlert | None = (
        current()
        .db.session.scalars(query, execution_options={"populate_existing": True})
        .one_or_none()
    )
    return found


def _currency_of(connection: Connection, project_key: str) -> str:
    row = table_of(BilledProjectRow).c
    fixed = connection.scalars(select(row.currency).where(row.project_key == project_key)).one()
    return str(fixed or current().settings.currency)


def _check_amount(amount: int, currency: str) -> None:
    whole: object = type(amount)
    if whole is not int or not 0 < amount < _LIMIT:
        raise AlertRefused(
            f"An amount is a whole number of minor units above 0 and below {_LIMIT:,}.",
            field="amount",
        )
    if amount % money.unit(currency):
        raise AlertRefused(
            f"Amounts in {currency.upper()} are multiples of {money.unit(currency)} minor units.",
            field="amount",
        )


def _refuse_another(connection: Connection, project_key: str) -> None:
    alert = table_of(SpendingAlert).c
    count = connection.scalar(select(func.count()).where(alert.project_key == project_key))
    if (count or 0) >= MOST:
        raise AlertRefused(f"There are {MOST} alerts already. Remove one first.")
