"""Tries one payment method: the row is committed, then the processor is asked, then it is written.

A process may die between any two of these. What is committed as `sending` is settled by whoever
claims the invoice next, before anything else.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection, insert, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, sync
from flask_billing.collecting.asking import ask
from flask_billing.collecting.choosing import Method, methods_of, next_of
from flask_billing.collecting.claiming import Lost, transaction
from flask_billing.collecting.ending import KEPT_ANSWERS, UNTIL_SURE, catch_up, finish, wait
from flask_billing.collecting.loading import Flight, Work
from flask_billing.collecting.paying import Attempt, Outcome, is_under_way, pay, payment_by
from flask_billing.collecting.releasing import release, renew
from flask_billing.collecting.telling import tell
from flask_billing.collecting.writing import Answer, Ended, end_attempt, lock_payer, turn
from flask_billing.ids import uuid7
from flask_billing.models import (
    PaymentAttempt,
    PaymentMethod,
    table_of,
)

__all__ = [
    "BY_PLAN",
    "FIRST_LOOK",
    "Start",
    "Wish",
    "conclude",
    "ended_as",
    "next_look",
    "start",
    "try_method",
    "write_outcome",
]

_FIRST_WAIT = timedelta(minutes=1)
#: When a bank that has money under way is first looked after.
FIRST_LOOK = timedelta(hours=1)
_LONGEST_LOOK = timedelta(days=1)


class Wish(NamedTuple):
    """Who wants the money now.

    :ivar origin: As on the attempt.
    :ivar only: The one method that is to be tried, where a person has chosen it.
    """

    origin: str
    made_by: str | None = None
    only: UUID | None = None


BY_PLAN = Wish("plan")


class Start(NamedTuple):
    """What a try begins with: `attempt` is `None` where no method is left to be tried."""

    attempt: Attempt | None
    methods: list[Method]


def start(work: Work, answer: Answer, wish: Wish) -> Start:
    """Write what the processor said, and commit the attempt whose turn it is.

    Under the lock of who pays: nobody removes or moves a method meanwhile.

    :raises Lost: Something newer is known, or somebody else is at work on the invoice.
    """
    try:
        with transaction() as connection:
            has_payer = lock_payer(connection, work.info_id)
            values: dict[str, Any] = {"round": work.round, "retry_at": work.retry_at}
            renew(connection, work, answer, **values, failures=0, error_code=None)
            turns = turn(connection, work, answer, is_open=work.invoice_state != "closed")
            started = _choose(connection, work, answer, wish) if has_payer else Start(None, [])
    except IntegrityError:
        # The index of attempts in flight: somebody else's is there since we looked.
        raise Lost from None
    if started.attempt is not None:
        work.attempt_id = started.attempt.id
        work.tried.add(started.attempt.method_id)
    work.invoice_state = "open" if work.invoice_state == "closed" else work.invoice_state
    for name in turns:
        work.was_issued = work.was_issued or name == "invoice_issued"
        tell(name, work.invoice_id)
    return started


def _choose(connection: Connection, work: Work, answer: Answer, wish: Wish) -> Start:
    methods = methods_of(connection, work.info_id, work.invoice_id, work.round)
    chosen = next_of([each for each in methods if each.id not in work.tried], wish.only)
    if chosen is None:
        return Start(None, methods)
    now, attempt_id = clock.now(), uuid7()
    is_change = wish.origin == "plan" and work.first_failed_at is not None and bool(work.retry_at)
    values = {
        "id": attempt_id,
        "invoice_id": work.invoice_id,
        "payment_method_id": chosen.id,
        "state": "sending",
        "in_flight_marker": 1,
        "round": work.round,
        "amount": answer.remote.remaining,
        "currency": work.currency,
        "origin": "change" if is_change else wish.origin,
        "made_by": wish.made_by,
        "never_again": False,
        "created_at": now,
        "sent_at": now,
        "sends": 1,
    }
    _write(connection, values)
    return Start(Attempt(attempt_id, chosen.id, chosen.stripe_id), methods)


def _write(connection: Connection, attempt: dict[str, Any]) -> None:
    connection.execute(insert(table_of(PaymentAttempt)), attempt)


def try_method(work: Work, attempt: Attempt, stamp: int) -> str:
    """Send a committed attempt, and write what came of it.

    :param stamp: Taken before, with nothing of the invoice asked since.
    :returns: ``"declined"``, ``"needs_action"`` or ``"refused"``, where another method may be
        tried; else how the look ended.
    :raises GatewayError: The processor refused, and does not say how the invoice is.
    """
    return conclude(work, attempt, pay(attempt, work.stripe_id or ""), stamp, sends=1)


def conclude(work: Work, attempt: Attempt, outcome: Outcome, stamp: int, *, sends: int) -> str:
    """Write what came of an attempt; see :func:`try_method`.

    :param sends: How often it was sent so far.
    """
    if outcome.remote is not None:
        return _answered(work, attempt, Answer(outcome.remote, stamp), sends=sends)
    if outcome.kind in {"declined", "needs_action"}:
        return _declined(work, attempt, outcome)
    if outcome.kind == "refused":
        return _refused(work, attempt, outcome)
    return _unknown(work, attempt, outcome, sends=sends)


def _answered(work: Work, attempt: Attempt, answer: Answer, *, sends: int) -> str:
    payment = payment_by(answer.remote, attempt.method_stripe_id)
    intent_id = payment.intent_id if payment is not None else None
    charge_id = payment.charge_id if payment is not None else None
    if answer.remote.state == "paid":
        return finish(work, answer, Ended(attempt.id, "succeeded", intent_id, charge_id))
    intent_state = payment.intent_state if payment is not None else ""
    if intent_state == "processing":
        ended = Ended(attempt.id, "processing", intent_id, charge_id)
        at = clock.now() + FIRST_LOOK
        return wait(work, at, answer, ended, state="processing", needs=None)
    if intent_state == "requires_action":
        return _declined(work, attempt, Outcome("needs_action", intent_id=intent_id))
    return _unknown(work, attempt, Outcome("unknown", code="unclear_answer"), sends=sends)


def _declined(work: Work, attempt: Attempt, outcome: Outcome) -> str:
    write_outcome(attempt.id, attempt.method_id, outcome)
    if outcome.kind == "needs_action":
        work.wants_owner = True
    else:
        work.declined = attempt.id
    return outcome.kind


def write_outcome(attempt_id: UUID, method_id: UUID, outcome: Outcome) -> None:
    """Write what came of an attempt, and that its method is not to be charged any more."""
    with transaction() as connection:
        end_attempt(connection, ended_as(attempt_id, outcome))
        if outcome.never_again:
            _refuse(connection, method_id)


def ended_as(attempt_id: UUID, outcome: Outcome) -> Ended:
    """Return an outcome as what it makes of an attempt."""
    return Ended(
        attempt_id,
        outcome.kind,
        outcome.intent_id,
        outcome.charge_id,
        outcome.code,
        outcome.decline_code,
        outcome.never_again,
    )


def _refuse(connection: Connection, method_id: UUID) -> None:
    """Charge a method no more: the bank says that it never will be paid."""
    method = table_of(PaymentMethod)
    connection.execute(
        update(method)
        .where(method.c.id == method_id, method.c.refusal.is_(None))
        .values(refusal="declined")
    )


def _refused(work: Work, attempt: Attempt, outcome: Outcome) -> str:
    """Look why the processor did not even try: the invoice may be paid, the method gone."""
    answer = ask(work)
    ended = Ended(attempt.id, "not_executed", code=outcome.code or "refused")
    if answer.remote.state != "open":
        return finish(work, answer, ended)
    payment = payment_by(answer.remote, attempt.method_stripe_id)
    if payment is not None and payment.intent_state == "processing":
        return _answered(work, attempt, answer, sends=1)
    with transaction() as connection:
        # Refused in favour of another payment, it is no try: its turn comes if that one fails.
        end_attempt(connection, ended._replace(code=None) if is_under_way(answer.remote) else ended)
    sync.payment_method(attempt.method_stripe_id)
    work.declined = attempt.id
    return "refused"


def _unknown(work: Work, attempt: Attempt, outcome: Outcome, *, sends: int) -> str:
    """Leave the attempt as it is: its outcome is settled before anything else happens."""
    row = table_of(PaymentAttempt)
    delay = UNTIL_SURE if outcome.code in KEPT_ANSWERS else _FIRST_WAIT * 2 ** min(sends - 1, 6)
    code = outcome.code[:100] if outcome.code else None
    try:
        with transaction() as connection:
            release(connection, work, clock.now() + delay)
            connection.execute(
                update(row)
                .where(row.c.id == attempt.id, row.c.state == "sending")
                .values(code=code)
            )
    except Lost:
        return catch_up(work)
    return "waiting"


def next_look(flight: Flight) -> timedelta:
    """Return after how long a bank is looked after again: the longer it takes, the later."""
    age = clock.now() - flight.created_at
    return max(FIRST_LOOK, min(age / 4, _LONGEST_LOOK))
