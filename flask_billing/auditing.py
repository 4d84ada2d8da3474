"""Writes down what people of the staff do: who, what, to which row and when; ids and amounts only.

The entry is committed before the deed, so that none is without one, even where the process dies.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects, signing
from flask_billing.errors import BillingError, GatewayUnavailable
from flask_billing.ids import uuid7
from flask_billing.models import AuditEntry, table_of
from flask_billing.state import current

__all__ = ["NotedAlready", "entries", "noted"]


class NotedAlready(BillingError):
    """An entry of this id is there: the same thing was asked for twice."""

    status = 409


@contextmanager
def noted(
    action: str,
    object_type: str,
    object_id: object,
    *,
    way: str,
    made_by: str | None = None,
    project_key: str | None = None,
    amount: int | None = None,
    currency: str | None = None,
    reason: str | None = None,
    entry_id: UUID | None = None,
) -> Iterator[UUID]:
    """Note that somebody does what the block does, and how it ended; commits the session.

    An entry that stays `begun` tells of a process that died, or of an error that nobody expected.

    :param way: `web` or `cli`.
    :param made_by: The host's id of the person.
    :param reason: One word.
    :param entry_id: An id that was given out with the question, so that what is sent twice is done
        once.
    :raises NotedAlready: It was asked for with this `entry_id` before; the block does not run.
    :raises ValueError: `reason` or `made_by` can't be meant.
    """
    signing.check(reason or "none", made_by)
    noted_id = entry_id or uuid7()
    _begin(
        id=noted_id,
        made_by=made_by,
        way=way,
        action=action,
        object_type=object_type,
        object_id=str(object_id),
        project_key=project_key,
        amount=amount,
        currency=currency,
        reason=reason,
    )
    try:
        yield noted_id
    except (BillingError, LookupError, ValueError) as error:
        current().db.session.rollback()
        # What a silent processor was asked for, it may have done.
        _end(noted_id, "unknown" if isinstance(error, GatewayUnavailable) else "refused")
        raise
    _end(noted_id, "done")


def entries(
    *,
    object_type: str | None = None,
    object_id: object = None,
    before: datetime | None = None,
    limit: int = 50,
) -> Sequence[AuditEntry]:
    """Return what was done, the latest first.

    :param before: Only what was done before this moment.
    """
    query = select(AuditEntry).order_by(AuditEntry.made_at.desc(), AuditEntry.id.desc())
    if object_type is not None:
        query = query.where(AuditEntry.object_type == object_type)
    if object_id is not None:
        query = query.where(AuditEntry.object_id == str(object_id))
    if before is not None:
        query = query.where(AuditEntry.made_at < before)
    return list(current().db.session.scalars(query.limit(limit)))


def _begin(**values: object) -> None:
    session = current().db.session
    row = insert(table_of(AuditEntry)).values(made_at=clock.now(), outcome="begun", **values)
    try:
        projects.connection().execute(row)
        session.commit()
    except IntegrityError:
        session.rollback()
        raise NotedAlready("This was asked for before; look at what became of it.") from None


def _end(entry_id: UUID, outcome: str) -> None:
    entry = table_of(AuditEntry)
    session = current().db.session
    projects.connection().execute(
        update(entry).where(entry.c.id == entry_id).values(outcome=outcome)
    )
    session.commit()
