"""Says what of collecting, refunding and telling people is stuck, and whether anybody works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import Connection, func, select

from flask_billing import clock, collecting, heartbeats, notifying, refunding
from flask_billing.cli.findings import Finding
from flask_billing.cli.moments import written
from flask_billing.collecting import Stuck
from flask_billing.models import (
    BillingEvent,
    InvoiceCollection,
    Notification,
    table_of,
)
from flask_billing.state import State

__all__ = ["of_money", "of_notifications", "of_workers"]

#: How many of a kind are named one by one.
_NAMED = 10
#: How long something may be due before somebody should have looked at it.
_PATIENCE = timedelta(minutes=10)


def of_money() -> Iterator[Finding]:
    """Name the invoices and refunds that have not come to their end in time."""
    stuck = [*collecting.stuck(limit=_NAMED), *refunding.stuck(limit=_NAMED)]
    yield from _named(stuck)
    if not stuck:
        yield Finding("ok", "No invoice and no refund is stuck.")


def _named(stuck: Sequence[Stuck]) -> Iterator[Finding]:
    for each in stuck:
        yield Finding(
            "problem",
            f"{_named_as(each)} of project {each.project_key}: {_words(each)} since "
            f"{written(each.since)}. {each.hint}",
        )
    counts = {each.kind: each.alike for each in stuck}
    for kind, count in counts.items():
        if count > _NAMED:
            yield Finding("problem", f"Besides, as '{kind}': {count - _NAMED:,}.")


def _named_as(each: Stuck) -> str:
    if each.id == each.invoice_id:
        return f"Invoice {each.id}"
    return f"{each.kind.capitalize()} {each.id} of invoice {each.invoice_id}"


def _words(each: Stuck) -> str:
    return each.kind if each.kind == each.state else f"{each.kind} ({each.state})"


def of_notifications(connection: Connection) -> Iterator[Finding]:
    """Say what keeps people from being told."""
    rows = list(notifying.concerns_of_rows(connection))
    for concern in (*notifying.concerns_of_setup(), *rows):
        yield Finding("problem" if concern.is_problem else "hint", concern.text)
    if not rows:
        yield Finding("ok", "Every notification of the last seven days was delivered.")


def of_workers(state: State, connection: Connection) -> Iterator[Finding]:
    """Say whether a process is at work, and what waits where none is."""
    heard = [(worker.kind, worker.seen_at) for worker in heartbeats.at_work()]
    last = heartbeats.last_seen()
    idle = (
        "No process has ever been at work"
        if last is None
        else f"No process has been at work since {written(last.seen_at)}"
    )
    state.db.session.rollback()
    if heard:
        kinds = ", ".join(sorted({kind for kind, _ in heard}))
        newest = written(heard[0][1])
        yield Finding("ok", f"Processes at work: {len(heard)} ({kinds}), last heard at {newest}.")
        return
    late = _late(state, connection)
    if late:
        waiting = ", ".join(f"{name} ({count})" for name, count in late.items())
        yield Finding(
            "problem",
            f"{idle}, and there is something to do: {waiting}. Start "
            "'flask billing run', and see that it is always at work.",
        )
    else:
        yield Finding(
            "problem" if state.settings.livemode else "hint",
            f"{idle}. Keep 'flask billing run' at work, or Celery.",
        )


def _late(state: State, connection: Connection) -> dict[str, int]:
    """Count what has been due for longer than a process at work would leave it."""
    before, livemode = clock.now() - _PATIENCE, state.settings.livemode
    event, row, note = (
        table_of(each).c for each in (BillingEvent, InvoiceCollection, Notification)
    )
    queries = {
        "events": (event.livemode, event.state == "pending", event.next_try_at),
        "invoices": (
            row.livemode,
            row.state.in_(("waiting", "processing", "transfer", "past_due")),
            row.next_try_at,
        ),
        "notifications": (note.livemode, note.state == "pending", note.next_try_at),
    }
    found = {
        name: connection.scalar(
            select(func.count()).where(mode == livemode, is_open, due_at < before)
        )
        or 0
        for name, (mode, is_open, due_at) in queries.items()
    }
    return {name: count for name, count in found.items() if count}
