"""Says what of collecting, refunding and telling people is stuck, and whether anybody works."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from sqlalchemy import Connection, func, select

from flask_billing import clock, collecting, heartbeats, notifying
from flask_billing.cli.findings import Finding
from flask_billing.cli.moments import written
from flask_billing.collecting import Stuck
from flask_billing.models import (
    BillingEvent,
    InvoiceCollection,
    InvoiceRefund,
    Notification,
    table_of,
)
from flask_billing.state import State

__all__ = ["of_money", "of_notifications", "of_workers"]

#: How many of a kind are named one by one.
_NAMED = 10
#: For how long a timer may keep 'flask billing run --once' waiting.
_BETWEEN_TIMERS = timedelta(hours=1)
#: How long something may be due before somebody should have looked at it.
_PATIENCE = timedelta(minutes=10)
#: For how long an outcome may be unknown, and money under way; for how long failures are named.
_UNKNOWN = timedelta(hours=24)
_UNDER_WAY = timedelta(days=14)
_NAMED_FOR = timedelta(days=30)


def of_money(state: State, connection: Connection) -> Iterator[Finding]:
    """Name the invoices and refunds that have not come to their end in time."""
    stuck = collecting.stuck()
    refunds = list(_refunds(state, connection))
    yield from _named(stuck)
    yield from refunds
    if not stuck and not refunds:
        yield Finding("ok", "No invoice and no refund is stuck.")


def _named(stuck: Sequence[Stuck]) -> Iterator[Finding]:
    counts: dict[str, int] = {}
    for each in stuck:
        counts[each.kind] = counts.get(each.kind, 0) + 1
        if counts[each.kind] <= _NAMED:
            what = "Attempt" if each.kind == "attempt" else "Invoice"
            yield Finding(
                "problem",
                f"{what} {each.id} of project {each.project_key}: {_words(each)} since "
                f"{written(each.since)}. {each.hint}",
            )
    for kind, count in counts.items():
        if count > _NAMED:
            yield Finding("problem", f"Besides, as '{kind}': {count - _NAMED}.")


def _words(each: Stuck) -> str:
    return each.kind if each.kind == each.state else f"{each.kind} ({each.state})"


def _refunds(state: State, connection: Connection) -> Iterator[Finding]:
    refund, row = table_of(InvoiceRefund).c, table_of(InvoiceCollection).c
    now = clock.now()
    of_mode = select(row.invoice_id).where(row.livemode == state.settings.livemode)
    given = (
        select(refund.id, refund.invoice_id, refund.state, refund.created_at)
        .where(refund.invoice_id.in_(of_mode))
        .order_by(refund.created_at)
        .limit(_NAMED)
    )
    kinds = (
        (
            (refund.state == "sending") & (refund.created_at < now - _UNKNOWN),
            "See that 'flask billing run' is always at work; it finds out what became of it.",
        ),
        (
            (refund.state == "pending") & (refund.created_at < now - _UNDER_WAY),
            "Look at it in Stripe's dashboard.",
        ),
        (
            (refund.state == "failed") & (refund.created_at > now - _NAMED_FOR),
            "The money did not arrive: give it back another way.",
        ),
    )
    for condition, hint in kinds:
        for found in connection.execute(given.where(condition)):
            yield Finding(
                "problem",
                f"Refund {found.id} of invoice {found.invoice_id}: {found.state} since "
                f"{written(found.created_at)}. {hint}",
            )


def of_notifications(connection: Connection) -> Iterator[Finding]:
    """Say what keeps people from being told."""
    rows = list(notifying.concerns_of_rows(connection))
    for concern in (*notifying.concerns_of_setup(), *rows):
        yield Finding("problem" if concern.is_problem else "hint", concern.text)
    if not rows:
        yield Finding("ok", "Every notification of the last seven days was delivered.")


def of_workers(state: State, connection: Connection) -> Iterator[Finding]:
    """Say whether a process is at work, and what waits where none is."""
    living = heartbeats.living()
    last = heartbeats.last_seen()
    state.db.session.rollback()
    if living:
        kinds = ", ".join(sorted({worker.kind for worker in living}))
        yield Finding("ok", f"Processes at work: {len(living)} ({kinds}).")
        return
    if last is not None and last.kind == "once" and last.seen_at > clock.now() - _BETWEEN_TIMERS:
        yield Finding("ok", f"The last 'flask billing run --once' was at {written(last.seen_at)}.")
        return
    since = "ever" if last is None else f"since {written(last.seen_at)}"
    late = _late(state, connection)
    if late:
        waiting = ", ".join(f"{name} ({count})" for name, count in late.items())
        yield Finding(
            "problem",
            f"No process was at work {since}, and there is something to do: {waiting}. Start "
            "'flask billing run', and see that it is always at work.",
        )
    else:
        yield Finding(
            "hint", f"No process was at work {since}. Keep 'flask billing run' at work, or Celery."
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
