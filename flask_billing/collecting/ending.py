"""Ends a look at an invoice: writes what was found or decided, and gives the claim back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import select, update

from flask_billing import clock, invoicing, projects
from flask_billing.collecting.claiming import ACTIVE, Lost, transaction
from flask_billing.collecting.loading import Work
from flask_billing.collecting.observing import observe
from flask_billing.collecting.releasing import end, release, write_claimed
from flask_billing.collecting.telling import tell
from flask_billing.collecting.writing import (
    Answer,
    Ended,
    done,
    end_attempt,
    lock_parents,
    turn,
    write_payments,
)
from flask_billing.errors import CorrectionRefused
from flask_billing.models import InvoiceCollection, table_of
from flask_billing.state import current

__all__ = [
    "KEPT_ANSWERS",
    "UNTIL_SURE",
    "back_off",
    "catch_up",
    "finish",
    "give_back",
    "park",
    "wait",
]

_FIRST_DELAY = timedelta(minutes=1)
_LONGEST_DELAY = timedelta(hours=1)
#: A key under which the processor has kept an answer of no use gives it again and again.
KEPT_ANSWERS = frozenset({"server_error", "idempotency_key_reused"})
UNTIL_SURE = timedelta(minutes=10)
_RELEASED: dict[str, Any] = {"claimed_by": None, "claimed_until": None}


def finish(work: Work, answer: Answer, *ended: Ended) -> str:
    """Write that nothing is left to be paid, and what became of the attempt that was in flight.

    :returns: ``"paid"``, ``"ended"`` (void or written off), or what became of it otherwise.
    """
    try:
        turns = _finish(work, answer, ended)
    except Lost:
        return catch_up(work, *ended)
    for name in turns:
        tell(name, work.invoice_id)
    if answer.remote.state == "void":
        return _make_void(work)
    return "paid" if answer.remote.state == "paid" else "ended"


def _finish(work: Work, answer: Answer, ended: tuple[Ended, ...]) -> list[str]:
    # What is void at the processor is over once it is void here too.
    is_over = answer.remote.state != "void"
    with transaction() as connection:
        # It may be under way at a bank, or set going again, since it stopped its project.
        is_locked = lock_parents(connection, work, may_stop=work.past_due_since is not None)
        (end if is_over else write_claimed)(connection, work, answer)
        for each in ended:
            end_attempt(connection, each)
        turns = turn(connection, work, answer, is_open=work.invoice_state != "closed")
        write_payments(connection, work, answer)
        if is_locked and is_over:
            projects.clear_past_due(connection, work.project_key)
    return turns


def _make_void(work: Work) -> str:
    """Make our invoice void as well, which ends the claim with it."""
    if work.invoice_state == "void":
        _forget(work)
        return "ended"
    try:
        invoicing.void(work.invoice_id, **_wanted(work))
    except CorrectionRefused:
        return park(work, "voided_at_processor")
    return "ended"


def _wanted(work: Work) -> dict[str, Any]:
    """Return how the staff wanted it void, where the processor's answer to that was lost."""
    row = table_of(InvoiceCollection).c
    query = select(row.void_reason, row.void_by, row.void_reissue)
    reason, made_by, reissue = (
        projects.connection().execute(query.where(row.invoice_id == work.invoice_id)).one()
    )
    current().db.session.commit()
    if reason is None:
        return {"reason": "voided_at_processor", "reissue": False}
    return {"reason": reason, "made_by": made_by, "reissue": reissue}


def _forget(work: Work) -> None:
    """Ask no more for an invoice that was set going again after it became void."""
    row = table_of(InvoiceCollection)
    with transaction() as connection:
        is_locked = lock_parents(connection, work, may_stop=work.past_due_since is not None)
        connection.execute(
            update(row)
            .where(row.c.invoice_id == work.invoice_id)
            .values(done(clock.now()) | _RELEASED)
        )
        if is_locked:
            projects.clear_past_due(connection, work.project_key)


def catch_up(work: Work, *ended: Ended) -> str:
    """Write what is certain where somebody was faster, and what the processor says by now."""
    with transaction() as connection:
        for each in ended:
            end_attempt(connection, each)
    try:
        if work.stripe_id is not None:
            observe(work.stripe_id)
    finally:
        give_back(work)
    return "busy"


def give_back(work: Work) -> None:
    """Give back the claim, if it is still ours, and have the invoice looked at again now."""
    row = table_of(InvoiceCollection)
    ours = row.c.invoice_id == work.invoice_id, row.c.claimed_by == work.token
    with transaction() as connection:
        looked_at = update(row).where(*ours, row.c.state.in_(ACTIVE))
        connection.execute(looked_at.values(next_try_at=clock.now()))
        connection.execute(update(row).where(*ours).values(_RELEASED))


def park(work: Work, reason: str, answer: Answer | None = None, **values: Any) -> str:
    """Leave an invoice to somebody of the staff, and tell."""
    decided: dict[str, Any] = {"state": "parked", "reason": reason}
    if not _leave(work, None, answer, (), decided | values):
        return "busy"
    current_app.logger.error("Invoice %s is parked: %s.", work.invoice_id, reason)
    tell("invoice_parked", work.invoice_id, reason=reason)
    return "parked"


def wait(
    work: Work, at: datetime, answer: Answer | None = None, *ended: Ended, **values: Any
) -> str:
    """Look again at a moment, for a reason that is nobody's fault."""
    return "waiting" if _leave(work, at, answer, ended, values) else "busy"


def _leave(
    work: Work,
    at: datetime | None,
    answer: Answer | None,
    ended: tuple[Ended, ...],
    values: dict[str, Any],
) -> bool:
    """Write what was found and decided, and give the claim back; returns whether it was ours."""
    turns: list[str] = []
    if values.get("state", work.state) != work.state:
        values["state_since"] = clock.now()
    try:
        with transaction() as connection:
            lock_parents(connection, work)
            release(connection, work, at, answer, **values)
            for each in ended:
                end_attempt(connection, each)
            if answer is not None:
                turns = turn(connection, work, answer, is_open=work.invoice_state != "closed")
                write_payments(connection, work, answer)
    except Lost:
        catch_up(work, *ended)
        return False
    for name in turns:
        work.was_issued = work.was_issued or name == "invoice_issued"
        tell(name, work.invoice_id)
    return True


def back_off(work: Work, code: str | None) -> str:
    """Look again later, as the processor or the database failed; nothing that is known is lost."""
    delay = min(_FIRST_DELAY * 2 ** min(work.failures, 10), _LONGEST_DELAY)
    if code in KEPT_ANSWERS:
        delay = max(delay, UNTIL_SURE)
    code = code[:100] if code else None
    try:
        with transaction() as connection:
            release(
                connection,
                work,
                clock.now() + delay,
                failures=min(work.failures + 1, 1000),
                error_code=code,
            )
    except Lost:
        give_back(work)
    return "errors"
