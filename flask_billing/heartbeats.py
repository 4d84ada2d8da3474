"""Lets processes say that they are at work, so that a silence is noticed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import clock, projects
from flask_billing.ids import uuid7
from flask_billing.models import BillingWorker, table_of
from flask_billing.state import current

__all__ = ["Heart", "Pulse", "at_work", "last_seen", "prune"]

#: For how long a process of each kind may say nothing.
_SILENCE = {
    "run": timedelta(minutes=5),
    # It speaks when a task gets to it, and the host's own may be before that.
    "celery": timedelta(minutes=10),
    # A timer starts one at least once an hour, and never to the second.
    "once": timedelta(minutes=90),
}
_KEPT = timedelta(days=7)
#: How long lies between two beats of a process that gets on.
_BETWEEN = timedelta(seconds=20)


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
        self._said_at: datetime | None = None

    def beat(self, part: str | None = None) -> None:
        """Say that the process gets on, if that was not said just now.

        :param part: What it is at; by default what it was at before.
        """
        with self._lock:
            self._part = part or self._part
            now = clock.now()
            # Others judge by the clock: when it jumps, as after a suspend, they have heard nothing.
            if self._said_at is not None and abs(now - self._said_at) < _BETWEEN:
                return
            self._said_at = now
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


def at_work() -> Sequence[BillingWorker]:
    """Return the processes that are at work, the latest first; where there is none, nobody is.

    A process is, until it ends in order or says nothing for longer than its kind may: five minutes
    for `run`, ten for `celery`, ninety for `once`. A timer's ones end each time, so the last of
    them stands for the timer.
    """
    of_timer = BillingWorker.kind == "once"
    query = (
        select(BillingWorker)
        .where(
            or_(*(_was_heard(kind, silence) for kind, silence in _SILENCE.items())),
            or_(of_timer, BillingWorker.stopped_at.is_(None)),
        )
        .order_by(BillingWorker.seen_at.desc())
    )
    found = list(current().db.session.scalars(query))
    last_once = next((each for each in found if each.kind == "once"), None)
    return [each for each in found if each.kind != "once" or each is last_once]


def _was_heard(kind: str, silence: timedelta) -> ColumnElement[bool]:
    now = clock.now()
    # What was said far in the future was said by a clock that went wrong, and would hold for ever.
    is_recent = BillingWorker.seen_at.between(now - silence, now + silence)
    return and_(BillingWorker.kind == kind, is_recent)


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
