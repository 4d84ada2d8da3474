"""Claims events, so that only one worker at a time is at work on each."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Select, select, update

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models import BillingEvent, table_of
from flask_billing.state import current
from flask_billing.transactions import fresh_connection

__all__ = ["Claimed", "claim"]

#: Longer than the calls for an event usually take; what a slower worker finds is not written.
_LEASE = timedelta(minutes=10)


class Claimed(NamedTuple):
    """An event that is ours to process until the claim runs out."""

    id: UUID
    claimed_by: UUID
    stripe_id: str
    type: str
    object_id: str | None
    object_type: str | None
    customer_id: str | None
    account_id: str | None
    livemode: bool
    created_at: datetime
    #: With this one.
    attempts: int


def claim() -> Claimed | None:
    """Claim the event that has been due for longest; commits the session.

    A try is counted when it begins, so that an event that kills its worker is given up as well.
    """
    connection = fresh_connection()
    table = table_of(BillingEvent)
    now = clock.now()
    token = uuid7()
    due = _due(now)
    columns = [table.c[name] for name in Claimed._fields]
    taken = update(table).values(
        claimed_by=token, next_try_at=now + _LEASE, attempts=table.c.attempts + 1
    )
    if connection.dialect.name in {"postgresql", "sqlite"}:
        taken = taken.where(table.c.id == due.scalar_subquery()).returning(*columns)
        row = connection.execute(taken).one_or_none()
    else:
        event_id = connection.scalar(due)
        connection.execute(taken.where(table.c.id == event_id))
        row = connection.execute(select(*columns).where(table.c.id == event_id)).one_or_none()
    current().db.session.commit()
    return None if row is None else Claimed(*row)


def _due(now: datetime) -> Select[tuple[UUID]]:
    table = table_of(BillingEvent)
    return (
        select(table.c.id)
        .where(
            table.c.state == "pending",
            table.c.next_try_at <= now,
            table.c.livemode == current().settings.livemode,
        )
        .order_by(table.c.next_try_at)
        .limit(1)
        .with_for_update(skip_locked=True)
    )
