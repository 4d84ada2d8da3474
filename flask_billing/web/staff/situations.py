"""Tells events that are stuck from those that take their way, in SQL and for a row alike."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, or_

from flask_billing.models import BillingEvent

if TYPE_CHECKING:
    from sqlalchemy.orm import InstrumentedAttribute

__all__ = ["STUCK", "conditions", "since_column", "situation_of"]

#: How long an event may be due before nobody can be at work on the events any more.
_PATIENCE = timedelta(minutes=5)

#: After how many tries in vain an event is stuck: one that came too early passes by the second.
_OFTEN = 3

#: What is stuck, the worst first.
STUCK = ("failed", "overdue", "retrying")


def conditions(now: datetime) -> Mapping[str, ColumnElement[bool]]:
    """Return what can be looked for: the states, and the pending events that are stuck."""
    event = BillingEvent
    pending = event.state == "pending"
    late = now - _PATIENCE
    tried_in_vain = or_(
        event.attempts > _OFTEN, and_(event.attempts == _OFTEN, event.claimed_by.is_(None))
    )
    return {
        "failed": event.state == "failed",
        "overdue": and_(pending, event.next_try_at < late),
        "retrying": and_(pending, event.next_try_at >= late, tried_in_vain),
        "pending": pending,
        "processed": event.state == "processed",
        "ignored": event.state == "ignored",
    }


def since_column(name: str) -> InstrumentedAttribute[Any]:
    """Return when what `conditions` calls so began."""
    columns = {"failed": BillingEvent.ended_at, "overdue": BillingEvent.next_try_at}
    return columns.get(name, BillingEvent.received_at)


def situation_of(event: BillingEvent, now: datetime) -> str:
    """Return the last state of an event; or what a pending one is at.

    :returns: Of those: `overdue`, `retrying` (both stuck), `working`, `put_off` or `waiting`.
    """
    if event.state != "pending":
        return event.state
    if event.next_try_at is None or event.next_try_at < now - _PATIENCE:
        return "overdue"
    is_claimed = event.claimed_by is not None
    in_vain = event.attempts - 1 if is_claimed else event.attempts
    if in_vain >= _OFTEN:
        return "retrying"
    if is_claimed:
        return "working"
    return "put_off" if in_vain else "waiting"
