"""Finishes what was interrupted: removals, stays on the processor's page, holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import Connection, Select, and_, func, or_, select

from flask_billing import clock, projects
from flask_billing.errors import GatewayRefusal
from flask_billing.models import PaymentHold, PaymentMethod, SetupSession
from flask_billing.payment_methods.checks import CHECKING, finish_hold, place_hold
from flask_billing.payment_methods.completing import end_session, finish
from flask_billing.payment_methods.removing import finish_removal
from flask_billing.state import current
from flask_billing.transactions import require_clean

__all__ = ["SweepReport", "late", "sweep"]

#: A request that is still under way may be at work on anything younger.
_PATIENCE = timedelta(minutes=2)
#: How long something may wait for a sweep before somebody should look.
_LATE_AFTER = timedelta(hours=1)
#: For how long an outcome may still come of a session that was given up.
_OUTCOME_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class SweepReport:
    """How many things a sweep brought to their end, and how many are left for the next one."""

    removed: int
    completed: int
    expired: int
    released: int
    failed: int


def sweep() -> SweepReport:
    """Finish what was interrupted, of this mode and account; commits the session.

    Safe at any time and on several hosts at once. One failure does not stop the rest.
    """
    require_clean()
    done: Counter[str] = Counter()
    for find, finish_one in (
        (_leaving, _remove),
        (_unchecked, _check),
        (_holds, _release),
        (_sessions, _close),
    ):
        for row_id in _ids(find()):
            done[_attempt(finish_one, row_id)] += 1
    return SweepReport(
        removed=done["removed"],
        completed=done["completed"],
        expired=done["expired"],
        released=done["released"],
        failed=done["failed"],
    )


def late(connection: Connection) -> dict[str, int]:
    """Count what should have been brought to its end by now, without what there is none of.

    :returns: How many `sessions` on the processor's page, `removals` and `holds`.
    """
    before = clock.now() - _LATE_AFTER
    methods = (
        select(func.count(PaymentMethod.id))
        .join(PaymentMethod.billing_info)
        .where(PaymentMethod.removed_at.is_(None), projects.of_current_key(current()))
    )
    held = methods.join(PaymentHold, PaymentHold.payment_method_id == PaymentMethod.id)
    queries = {
        "sessions": select(func.count(SetupSession.id)).where(
            SetupSession.open_marker.is_not(None),
            func.coalesce(SetupSession.expires_at, SetupSession.created_at) < before,
        ),
        "removals": methods.where(PaymentMethod.leaving_at < before),
        "holds": held.where(
            PaymentHold.state.not_in(("released", "declined")), PaymentHold.created_at < before
        ),
    }
    return {name: count for name, query in queries.items() if (count := connection.scalar(query))}


def _ids(query: Select[Any]) -> list[UUID]:
    session = current().db.session
    found = list(session.scalars(query))
    session.commit()
    return found


def _attempt(finish_one: Callable[[UUID], str], row_id: UUID) -> str:
    try:
        return finish_one(row_id)
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest must not suffer from it
        current().db.session.rollback()
        # Its text may hold a statement with its parameters.
        current_app.logger.warning("Sweeping %s failed: %s", row_id, type(error).__name__)
        return "failed"


def _leaving() -> Select[Any]:
    return (
        select(PaymentMethod.id)
        .join(PaymentMethod.billing_info)
        .where(
            PaymentMethod.leaving_at < clock.now() - _PATIENCE,
            PaymentMethod.removed_at.is_(None),
            projects.of_current_key(current()),
        )
        .order_by(PaymentMethod.leaving_at)
    )


def _remove(row_id: UUID) -> str:
    method = current().db.session.get_one(PaymentMethod, row_id)
    return "removed" if finish_removal(method) else "failed"


def _unchecked() -> Select[Any]:
    """Find methods whose hold was never begun: the crash came right after they were saved."""
    held = select(PaymentHold.id).where(PaymentHold.payment_method_id == PaymentMethod.id)
    return (
        select(PaymentMethod.id)
        .join(PaymentMethod.billing_info)
        .where(
            PaymentMethod.refusal == CHECKING,
            PaymentMethod.created_at < clock.now() - _PATIENCE,
            PaymentMethod.leaving_at.is_(None),
            PaymentMethod.removed_at.is_(None),
            ~held.exists(),
            projects.of_current_key(current()),
        )
    )


def _check(row_id: UUID) -> str:
    method = current().db.session.get_one(PaymentMethod, row_id)
    place_hold(method)
    return "failed" if method.refusal == CHECKING else "released"


def _holds() -> Select[Any]:
    return (
        select(PaymentHold.id)
        .join(PaymentHold.payment_method)
        .join(PaymentMethod.billing_info)
        .where(
            PaymentHold.state.in_(["starting", "held", "processing"]),
            PaymentHold.created_at < clock.now() - _PATIENCE,
            projects.of_current_key(current()),
        )
    )


def _release(row_id: UUID) -> str:
    hold = current().db.session.get_one(PaymentHold, row_id)
    return "released" if finish_hold(hold) else "failed"


def _sessions() -> Select[Any]:
    given_up = and_(
        SetupSession.state == "superseded",
        SetupSession.stripe_id.is_not(None),
        SetupSession.payment_method_id.is_(None),
        SetupSession.created_at > clock.now() - _OUTCOME_WITHIN,
    )
    return (
        select(SetupSession.id)
        .where(
            SetupSession.created_at < clock.now() - _PATIENCE,
            or_(SetupSession.open_marker == 1, given_up),
        )
        .order_by(SetupSession.created_at)
    )


def _close(row_id: UUID) -> str:
    """Look what became of a stay on the processor's page from which nobody came back."""
    session = current().db.session
    row = session.get_one(SetupSession, row_id)
    if row.stripe_id is None:
        # Its address was not handed out, as far as we know; whoever returns from it is let in.
        end_session(row, "expired")
        return "expired"
    try:
        state = finish(row, row.stripe_id).state
    except GatewayRefusal as error:
        if error.code != "resource_missing":
            raise
        end_session(row, "expired")
        return "expired"
    return {"complete": "completed", "superseded": "completed", "expired": "expired"}.get(
        state, "waiting"
    )
