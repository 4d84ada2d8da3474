"""Tells machines in counts whether the work goes on, and what waits for a person."""

from __future__ import annotations

from typing import Any

from flask_billing.web.staff import listing
from flask_billing.web.staff.stuck import notifications_stuck, silent_since, stuck_of_money
from flask_billing.web.staff.unfinished import unfinished

__all__ = ["health"]

#: What of the money waits for a person; the rest means that nobody is at work.
_FOR_PEOPLE = ("parked", "past_due", "processing", "address")


def health() -> dict[str, Any]:
    """Return how the work is, in counts alone.

    `status` is ``"ok"``, ``"attention"`` (the work goes on, and something waits for a person) or
    ``"failing"`` (the work does not go on).
    """
    stuck = {kind: found[0].alike for kind, found in stuck_of_money().items()}
    events = {state: count.number for state, count in listing.counts().items()}
    undelivered = {kind: number for kind, (number, _) in notifications_stuck().items()}
    waiting = unfinished()
    is_silent, _ = silent_since()
    failing = {
        "workers_silent": int(is_silent),
        "events_overdue": events["overdue"],
        "invoices_late": stuck.get("late", 0),
        "months_late": waiting.late,
        "outcomes_unknown": stuck.get("attempt", 0),
        "notifications_late": undelivered.get("late", 0),
    }
    attention = {
        "events_failed": events["failed"],
        "events_retrying": events["retrying"],
        "projects_parked": waiting.parked_count,
        "months_void": len(waiting.void),
        "methods_waiting": waiting.waiting,
        **{f"invoices_{kind}": stuck.get(kind, 0) for kind in _FOR_PEOPLE},
        "refunds_stuck": stuck.get("refund", 0),
        "notifications_failed": undelivered.get("failed", 0),
        "notifications_unknown": undelivered.get("unknown", 0),
    }
    status = (
        "failing" if any(failing.values()) else "attention" if any(attention.values()) else "ok"
    )
    return {"status": status, "failing": failing, "attention": attention}
