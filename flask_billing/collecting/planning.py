"""Plans what follows where an invoice is not paid: another round, its owner, or past due."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select, update

from flask_billing import clock
from flask_billing.collecting.claiming import Lost, transaction
from flask_billing.collecting.ending import catch_up, wait
from flask_billing.collecting.loading import Work
from flask_billing.collecting.releasing import release
from flask_billing.collecting.telling import note, tell, tell_failure
from flask_billing.collecting.writing import (
    Answer,
    lock_parents,
    turn,
    write_payments,
)
from flask_billing.models import BilledProjectRow, InvoiceCollection, PaymentAttempt, table_of
from flask_billing.state import current

__all__ = ["await_transfer", "begin_round", "need_address", "plan"]

#: How often an invoice is looked at that only its owner can move on, or nobody.
_DAY = timedelta(days=1)


def begin_round(work: Work) -> None:
    """Begin the next round, where its time has come: every method may be tried once more."""
    if work.retry_at is not None and work.retry_at <= clock.now():
        work.round += 1
        work.retry_at = None


def plan(work: Work, answer: Answer | None, *, has_methods: bool) -> str:
    """Write how it goes on with an invoice that no method paid.

    :param answer: What the processor said of it; `None` where it is not issued.
    :param has_methods: Whether there is a method that could be charged.
    :returns: ``"failed"``, or ``"needs_owner"`` where only its owner can move it on.
    """
    if work.retry_at is None and work.state != "past_due":
        _recall(work)
    return _follow(work, answer, _needs(work, has_methods=has_methods), has_methods=has_methods)


def need_address(work: Work, answer: Answer) -> str:
    """Wait for the address that tax needs, while the plan goes on as if for a payment method.

    Changed billing details have it looked at at once.
    """
    return _follow(work, answer, "address", has_methods=False)


def _recall(work: Work) -> None:
    """Take up this round's tries that nobody was told of, as the look that made them broke off.

    Before the round is planned, and so told of, those are all since the invoice is as it is.
    """
    attempt, row = table_of(PaymentAttempt).c, table_of(InvoiceCollection).c
    refused = and_(attempt.state == "not_executed", attempt.code.is_not(None))
    query = (
        select(attempt.id, attempt.state)
        .join(row.state.table, row.invoice_id == attempt.invoice_id)
        .where(
            attempt.invoice_id == work.invoice_id,
            attempt.round == work.round,
            attempt.ended_at >= row.state_since,
            or_(attempt.state.in_(["declined", "needs_action"]), refused),
        )
        .order_by(attempt.created_at, attempt.id)
    )
    with transaction() as connection:
        for attempt_id, state in connection.execute(query):
            if state == "needs_action":
                work.wants_owner = True
            else:
                work.declined = attempt_id


def _follow(work: Work, answer: Answer | None, needs: str | None, *, has_methods: bool) -> str:
    """Write the next step of the plan, and tell of what is new."""
    now = clock.now()
    first = work.first_failed_at or now
    # Whoever pays by transfer has the days of the terms, which begin once it is issued.
    is_planned = needs != "address" or work.terms_days is None
    retry_at = (work.retry_at or _next_round(first, now)) if is_planned else None
    is_past_due = (retry_at is None and is_planned) or work.state == "past_due"
    values: dict[str, Any] = {"needs": needs, "first_failed_at": first, "retry_at": retry_at}
    values |= {"round": work.round, "failures": 0, "error_code": None}
    values["state"] = "past_due" if is_past_due else "waiting"
    if values["state"] != work.state:
        values["state_since"] = now
    at = now + _DAY if retry_at is None else min(retry_at, now + _DAY)
    if retry_at is not None and has_methods:
        at = retry_at
    turned = _turned(work, needs)
    try:
        turns = _write(work, answer, at, values, turned)
    except Lost:
        return catch_up(work)
    for name in turns:
        tell(name, work.invoice_id)
    _tell(work, needs, turned)
    return "needs_owner" if needs else "failed"


def _next_round(first: datetime, now: datetime) -> datetime | None:
    """Return when the next round of the plan begins; one that was missed is not made up for."""
    planned = (first + timedelta(days=days) for days in current().settings.retry_days)
    return next((moment for moment in planned if moment > now), None)


def _needs(work: Work, *, has_methods: bool) -> str | None:
    if work.wants_owner:
        return "confirmation"
    if not has_methods:
        return "payment_method"
    # What a former look of this round has found still holds where this one tried nothing.
    return work.needs if work.needs == "confirmation" and work.declined is None else None


def _turned(work: Work, needs: str | None) -> bool:
    """Return whether there is anything new to tell of."""
    return bool(work.declined or work.wants_owner or needs != work.needs)


def _write(
    work: Work, answer: Answer | None, at: datetime, values: dict[str, Any], turned: bool
) -> list[str]:
    becomes = values["state"] == "past_due" != work.state
    turns: list[str] = []
    with transaction() as connection:
        lock_parents(connection, work, may_stop=becomes)
        release(connection, work, at, answer, **values)
        if answer is not None:
            turns = turn(connection, work, answer, is_open=work.invoice_state != "closed")
            write_payments(connection, work, answer)
        if turned:
            _note(connection, work, answer, values["needs"])
        if becomes:
            _stop(connection, work, answer)
    return [*turns, *(["invoice_past_due"] if becomes else [])]


def _note(connection: Connection, work: Work, answer: Answer | None, needs: str | None) -> None:
    """Note one message a round: what its owner has to do comes before what has failed."""
    kind = "action_required" if needs is not None else "payment_failed"
    words = f"{needs}:{work.round}" if needs is not None else str(work.round)
    note(connection, kind, work, turn=words, amount=_to_pay(work, answer))


def _stop(connection: Connection, work: Work, answer: Answer | None) -> None:
    """Keep the project from creating resources, under the lock of its row."""
    project = table_of(BilledProjectRow)
    connection.execute(
        update(project)
        .where(project.c.project_key == work.project_key)
        .values(past_due_since=func.coalesce(project.c.past_due_since, clock.now()))
    )
    note(connection, "past_due", work, amount=_to_pay(work, answer))


def _to_pay(work: Work, answer: Answer | None) -> int:
    """Return what is still to be paid; before tax where it is not issued."""
    if answer is None or answer.remote.state == "draft":
        return work.due
    return answer.remote.remaining


def _tell(work: Work, needs: str | None, turned: bool) -> None:
    if work.declined is not None:
        tell_failure(work.invoice_id, work.declined)
    if needs is not None and turned:
        tell("invoice_needs_action", work.invoice_id, needs=needs)


def await_transfer(work: Work, answer: Answer) -> str:
    """Wait for the owner's transfer; once its day is over, the invoice is past due."""
    due_at, now = answer.remote.due_at, clock.now()
    if due_at is None or now < due_at:
        at = now + _DAY if due_at is None else min(due_at, now + _DAY)
        state = "past_due" if work.state == "past_due" else "transfer"
        return wait(work, at, answer, state=state, needs=None, failures=0, error_code=None)
    values: dict[str, Any] = {"state": "past_due", "failures": 0, "error_code": None}
    if work.state != "past_due":
        values["state_since"] = now
    try:
        turns = _write(work, answer, now + _DAY, values | {"needs": None}, turned=False)
    except Lost:
        return catch_up(work)
    for name in turns:
        tell(name, work.invoice_id)
    return "failed"
