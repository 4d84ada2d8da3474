"""Runs the host's handlers of an event, each to its end exactly once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import current_app
from sqlalchemy import Connection, insert, select
from sqlalchemy import event as listening
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from flask_billing import clock, projects
from flask_billing.events.claiming import Claimed
from flask_billing.events.registry import Notice
from flask_billing.models import BillingEventHandling, table_of
from flask_billing.state import EventHandler, current

__all__ = ["handle"]


def handle(event: Claimed, handlers: Sequence[EventHandler]) -> None:
    """Run the handlers that have not dealt with the event yet; commits the session.

    One that fails does not keep the others from running.

    :raises Exception: What the first handler that failed has raised.
    """
    if not handlers:
        return
    session = current().db.session
    table = table_of(BillingEventHandling)
    done = set(session.scalars(select(table.c.handler).where(table.c.event_id == event.id)))
    session.commit()
    failures = []
    for handler in handlers:
        if handler.name not in done:
            try:
                _run(event, handler)
            except Exception as error:  # noqa: BLE001 - raised again below
                session.rollback()
                failures.append(error)
                # Its text may hold anything that the host's code has read.
                current_app.logger.warning(
                    "Handler %s failed on event %s: %s.",
                    handler.name,
                    event.stripe_id,
                    type(error).__name__,
                )
    if failures:
        raise failures[0]


def _run(event: Claimed, handler: EventHandler) -> None:
    """Run one handler in one transaction with the row that says that it ran.

    The row comes first: who runs the same handler at the same time waits for it, and then fails.
    """
    session = current().db.session()
    row = {"event_id": event.id, "handler": handler.name, "done_at": clock.now()}
    try:
        session.execute(insert(table_of(BillingEventHandling)).values(row))
    except IntegrityError:
        session.rollback()
        return
    with _kept_open(session, handler.name):
        _call(handler, _notice(event))
    session.commit()


def _call(handler: EventHandler, notice: Notice) -> None:
    try:
        current_app.ensure_sync(handler.function)(notice)
    except SystemExit:
        failure = RuntimeError(f"The handler {handler.name} asked its worker to end.")
    else:
        return
    raise failure


@contextmanager
def _kept_open(session: Session, name: str) -> Iterator[None]:
    """Refuse that the transaction is ended while the block runs, by the session or beside it."""
    transaction, connection = session.get_transaction(), projects.connection(session)
    refused: list[RuntimeError] = []

    def refuse(_: Connection | None = None) -> None:
        refused.append(
            RuntimeError(
                f"The handler {name} must not commit: its work is committed together with the note "
                "that it was done. Leave the commit out; verbs that commit belong into a task that "
                "the handler starts."
            )
        )
        raise refused[-1]

    def refuse_session(committing: Session) -> None:
        if not committing.in_nested_transaction():
            refuse()

    listening.listen(session, "before_commit", refuse_session)
    listening.listen(connection, "commit", refuse)
    try:
        yield
    finally:
        listening.remove(session, "before_commit", refuse_session)
        listening.remove(connection, "commit", refuse)
    if refused:
        # It may have been caught; what the handler did is in an unknown state then.
        raise refused[0]
    if session.get_transaction() is not transaction:
        raise RuntimeError(
            f"The handler {name} ended the transaction that it runs in. Use a savepoint "
            "(session.begin_nested()) for what may fail."
        )


def _notice(event: Claimed) -> Notice:
    values: dict[str, Any] = event._asdict()
    return Notice(**{name: values[name] for name in Notice.__dataclass_fields__})
