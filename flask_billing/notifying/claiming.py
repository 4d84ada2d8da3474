"""Claims notifications, so that only one worker at a time is at work on each.

A claimed one stays `pending`, with `claimed_by` and with `next_try_at` as the end of the claim. It
is `sending` before it is handed over, and then `next_try_at` says when to give its worker up.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, or_, select, update

from flask_billing import clock, projects
from flask_billing.ids import uuid7
from flask_billing.models import Notification, table_of
from flask_billing.notifying.kinds import MEMBERS
from flask_billing.state import current
from flask_billing.transactions import fresh_connection

__all__ = ["Claimed", "begin_sending", "claim", "give_up_lost", "members_state", "write"]

#: Longer than it takes to look up who is told of what.
_LEASE = timedelta(minutes=10)
#: Longer than it takes to hand over a letter for each member of a large project.
_SENDING = timedelta(hours=1)


class Claimed(NamedTuple):
    """A notification that is ours to deliver until the claim runs out."""

    id: UUID
    claimed_by: UUID
    kind: str
    topic: str
    role: str
    project_key: str | None
    billing_info_id: UUID | None
    invoice_id: UUID | None
    payment_method_id: UUID | None
    alert_id: UUID | None
    amount: int | None
    currency: str | None
    created_at: datetime
    #: With this one.
    attempts: int


def claim() -> Claimed | None:
    """Claim the notification that has been due for longest; commits the session.

    A try is counted when it begins, so that one that kills its worker is given up as well.
    """
    connection = fresh_connection()
    table = table_of(Notification)
    now = clock.now()
    due = _due(now)
    columns = [table.c[name] for name in Claimed._fields]
    taken = update(table).values(
        claimed_by=uuid7(), next_try_at=now + _LEASE, attempts=table.c.attempts + 1
    )
    if connection.dialect.name in {"postgresql", "sqlite"}:
        taken = taken.where(table.c.id == due.scalar_subquery()).returning(*columns)
        row = connection.execute(taken).one_or_none()
    else:
        due_id = connection.scalar(due)
        connection.execute(taken.where(table.c.id == due_id))
        row = connection.execute(select(*columns).where(table.c.id == due_id)).one_or_none()
    current().db.session.commit()
    return None if row is None else Claimed(*row)


def begin_sending(claimed: Claimed) -> bool:
    """Commit that a notification is about to be handed over; whether it is still ours to do so."""
    return write(
        claimed, from_states=("pending",), state="sending", next_try_at=clock.now() + _SENDING
    )


def write(claimed: Claimed, *, from_states: tuple[str, ...], **values: Any) -> bool:
    """Write what became of a notification, unless it is somebody else's by now; commits.

    :returns: Whether it was still ours, in one of these states.
    """
    table = table_of(Notification)
    written = projects.connection().execute(
        update(table)
        .where(
            table.c.id == claimed.id,
            table.c.claimed_by == claimed.claimed_by,
            table.c.state.in_(from_states),
        )
        .values(values)
    )
    current().db.session.commit()
    return bool(written.rowcount)


def give_up_lost() -> int:
    """Say that nobody knows what became of those whose worker died while it sent them; commits.

    They keep the name of the claim: a worker that was slow, and no more, still says how it ended.

    :returns: How many there are.
    """
    table = table_of(Notification)
    now = clock.now()
    lost = fresh_connection().execute(
        update(table)
        .where(
            table.c.livemode == current().settings.livemode,
            table.c.state == "sending",
            table.c.next_try_at <= now,
        )
        .values(state="unknown", next_try_at=None, ended_at=now, error_class="Abandoned")
    )
    current().db.session.commit()
    return lost.rowcount


def members_state(claimed: Claimed) -> str | None:
    """Return what became of the same notification to the members; commits."""
    table = table_of(Notification)
    state = projects.connection().scalar(
        select(table.c.state).where(table.c.topic == claimed.topic, table.c.role == MEMBERS)
    )
    current().db.session.commit()
    return state


def _due(now: datetime) -> Select[tuple[UUID]]:
    table = table_of(Notification)
    return (
        select(table.c.id)
        .where(
            table.c.livemode == current().settings.livemode,
            table.c.state == "pending",
            table.c.next_try_at <= now,
            or_(table.c.role == MEMBERS, ~_waits_for_members()),
        )
        .order_by(table.c.next_try_at, table.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    )


def _waits_for_members() -> ColumnElement[bool]:
    """Return the condition that the same notification is still on its way to the members.

    Only then is it known who of them has been told, and is left out of the other letter.
    """
    table = table_of(Notification)
    first = table.alias("to_members")
    return exists().where(
        and_(
            first.c.topic == table.c.topic,
            first.c.role == MEMBERS,
            first.c.state.in_(("pending", "sending")),
        )
    )
