"""Lets processes say that they are at work, so that a silence is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from threading import Lock
from time import monotonic
from uuid import UUID

from flask import current_app
from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import clock, projects
from flask_billing.ids import uuid7
from flask_billing.models import BillingWorker, table_of
from flask_billing.state import current

__all__ = ["SILENCE", "Heart", "Pulse", "last_seen", "living", "prune"]

#: A process that said nothing for so long is taken for dead.
SILENCE = timedelta(minutes=5)
_KEPT = timedelta(days=7)
#: How many seconds lie between two beats of a process that gets on.
_BETWEEN = 20.0


class Heart:
    """What one process says of itself.

    :param kind: `run`, `once` or `celery`.
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.id: UUID | None = None

    def beat(self, part: str | None = None) -> None:
        """Say that the process lives, and at which part of the work it is; commits the session."""
        session = current().db.session
        now = clock.now()
        worker = table_of(BillingWorker)
        if self.id is None:
            new_id = uuid7()
            row = {"id": new_id, "kind": self.kind, "started_at": now, "seen_at": now}
            projects.connection().execute(insert(worker).values(part=part, **row))
            session.commit()
            self.id = new_id
        else:
            self._write(seen_at=now, part=part)
            session.commit()

    def stop(self) -> None:
        """Say that the process ends in order; commits the session."""
        if self.id is not None:
            now = clock.now()
            self._write(seen_at=now, stopped_at=now, part=None)
            current().db.session.commit()

    def _write(self, **values: object) -> None:
        worker = table_of(BillingWorker)
        projects.connection().execute(update(worker).where(worker.c.id == self.id).values(**values))


class Pulse:
    """Beats for a process that gets on with its work; one that hangs falls silent.

    It may be asked as often as one likes, in every thread, and never stops the work.

    :param kind: As of :class:`Heart`.
    """

    def __init__(self, kind: str) -> None:
        self._heart = Heart(kind)
        self._lock = Lock()
        self._part: str | None = None
        self._next = 0.0

    def beat(self, part: str | None = None) -> None:
        """Say that the process gets on, if that was not said just now.

        :param part: What it is at; by default what it was at before.
        """
        with self._lock:
            self._part = part or self._part
            if monotonic() < self._next:
                return
            self._next = monotonic() + _BETWEEN
            _aside(lambda: self._heart.beat(self._part))

    def stop(self) -> None:
        """Say that the process ends in order."""
        with self._lock:
            _aside(self._heart.stop)


def _aside(write: Callable[[], None]) -> None:
    """Write in a session of its own, which is no part of what the work has begun."""
    try:
        with current_app.app_context():
            write()
    except SQLAlchemyError as error:
        current_app.logger.warning("A heartbeat was not written: %s.", type(error).__name__)


def living(within: timedelta = SILENCE) -> Sequence[BillingWorker]:
    """Return the processes that spoke within this time and have not ended, the latest first."""
    query = (
        select(BillingWorker)
        .where(BillingWorker.seen_at >= clock.now() - within, BillingWorker.stopped_at.is_(None))
        .order_by(BillingWorker.seen_at.desc())
    )
    return list(current().db.session.scalars(query))


def last_seen() -> BillingWorker | None:
    """Return the process that spoke last, also one that has ended; `None` where none ever did."""
    query = select(BillingWorker).order_by(BillingWorker.seen_at.desc()).limit(1)
    found: BillingWorker | None = current().db.session.scalars(query).first()
    return found


def prune() -> int:
    """Forget the processes that were last seen over a week ago; commits the session.

    :returns: How many.
    """
    worker = table_of(BillingWorker)
    gone = projects.connection().execute(
        delete(worker).where(worker.c.seen_at < clock.now() - _KEPT)
    )
    current().db.session.commit()
    return int(gone.rowcount)
