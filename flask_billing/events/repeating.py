"""Repeats events, fetches those that never arrived, and forgets old ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, false, or_, select, update
from sqlalchemy.orm import scoped_session

from flask_billing import clock, projects
from flask_billing.events.built_in import BUILT_IN
from flask_billing.events.receiving import store
from flask_billing.events.registry import means, types_wanted
from flask_billing.models import BillingEvent, BillingEventHandling
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["feed_in", "prune", "replay"]

_BATCH = 1000


def replay(event_ids: Iterable[UUID], *, again: bool = False) -> int:
    """Have events processed once more, whatever became of them; commits the session.

    Handlers that dealt with an event already are not run again.

    :param again: Run those too, so that what they did is done twice.
    :returns: How many wait now; one that a worker is at work on is left to it.
    """
    session = require_clean()
    now = clock.now()
    count = 0
    for event_id in event_ids:
        repeated = projects.connection().execute(
            update(BillingEvent)
            .where(
                BillingEvent.id == event_id,
                or_(BillingEvent.claimed_by.is_(None), BillingEvent.next_try_at <= now),
            )
            .values(
                state="pending",
                reason=None,
                attempts=0,
                next_try_at=now,
                claimed_by=None,
                ended_at=None,
                error_class=None,
                error_code=None,
            )
        )
        if again and repeated.rowcount:
            handling = BillingEventHandling
            session.execute(delete(handling).where(handling.event_id == event_id))
        session.commit()
        count += repeated.rowcount
    return count


def feed_in(since: datetime | None = None, types: Iterable[str] = ()) -> tuple[int, int]:
    """Fetch the events that the processor still keeps, and store those that never arrived.

    :param since: Only what happened at or after this moment; the processor keeps 30 days.
    :param types: Only these; none means all that we and the host's handlers deal with.
    :returns: How many were looked at, and how many were new.
    :raises GatewayError: The processor refused or did not answer; what was stored until then stays.
    """
    require_clean()
    state = current()
    seen = new = 0
    asked = list(types) or sorted(types_wanted(BUILT_IN))
    # The processor knows no families, so where there is one they are picked here.
    exact = [] if any(name.endswith("*") for name in asked) else asked
    for event in state.gateway.events(types=exact, since=since):
        if event.livemode == state.settings.livemode and any(means(t, event.type) for t in asked):
            seen += 1
            new += store(event)
    return seen, new


def prune() -> int:
    """Forget what was processed or ignored longer ago than `BILLING_EVENT_RETENTION_DAYS`.

    Commits the session after each batch. What failed stays until it is repeated.

    :returns: How many events are gone.
    """
    session = require_clean()
    before = clock.now() - timedelta(days=current().settings.event_retention_days)
    oldest = (
        select(BillingEvent.id)
        .where(
            BillingEvent.received_at < before,
            or_(
                BillingEvent.state.in_(["processed", "ignored"]),
                # Of the other mode, which nobody here will ever process.
                BillingEvent.livemode != current().settings.livemode,
            ),
        )
        .order_by(BillingEvent.received_at)
        .limit(_BATCH)
        # Not those that somebody is about to repeat.
        .with_for_update(skip_locked=True)
    )
    gone = 0
    while ids := _locked(session, oldest):
        handling = BillingEventHandling
        session.execute(delete(handling).where(handling.event_id.in_(ids)))
        session.execute(delete(BillingEvent).where(BillingEvent.id.in_(ids)))
        session.commit()
        gone += len(ids)
    session.commit()
    return gone


def _locked(session: scoped_session[Any], query: Any) -> list[UUID]:
    # Takes the one place of a writer on SQLite, where FOR UPDATE is nothing.
    session.execute(delete(BillingEventHandling).where(false()))
    return list(session.scalars(query))
