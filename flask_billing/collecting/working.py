"""Works on one claimed invoice, step by step, from wherever it stands.

Each step is a commit or a call to the processor, and the next one follows from what is committed
and from what the processor says. So whoever dies between two steps leaves an invoice that the next
worker goes on with:

1. An attempt in flight is settled before anything else.
2. What is not issued is issued; what is, is read.
3. Whatever the processor says decides: paid, void, under way at a bank, or still to be paid.
4. The method whose turn it is gets an attempt: committed, sent, written. Then from 3 once more.
5. Where no method is left, the plan says when the next round begins.
"""

from __future__ import annotations

import logging

from flask import current_app

from flask_billing import clock, sync
from flask_billing.collecting.asking import Missing, ask
from flask_billing.collecting.claiming import Heir, Lost, heir_of, is_ours
from flask_billing.collecting.ending import back_off, catch_up, finish, park, wait
from flask_billing.collecting.issuing import differs, issue, leave_behind
from flask_billing.collecting.loading import Work
from flask_billing.collecting.paying import is_under_way
from flask_billing.collecting.planning import await_transfer, begin_round, plan
from flask_billing.collecting.settling import settle
from flask_billing.collecting.trying import BY_PLAN, FIRST_LOOK, Start, Wish, start, try_method
from flask_billing.collecting.writing import Answer
from flask_billing.errors import GatewayError
from flask_billing.state import current

__all__ = ["work_on"]

#: How often something newer is asked for before the invoice is left to the next look.
_PATIENCE = 5


def work_on(work: Work, wish: Wish = BY_PLAN) -> str:
    """Work on an invoice until nothing can be done now; never raises for it alone.

    :returns: What became of it, as a field of :class:`CollectReport`, or ``"ended"``.
    """
    try:
        return _collect_or_leave(work, wish)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other invoices must go on
        _log(work, error)
    try:
        return back_off(work, None)
    except Exception as error:  # noqa: BLE001 - the claim runs out by itself
        _log(work, error)
    return "errors"


def _collect_or_leave(work: Work, wish: Wish) -> str:
    session = current().db.session
    try:
        return _collect(work, wish)
    except Lost:
        session.rollback()
        return catch_up(work)
    except Missing:
        session.rollback()
        return _park_missing(work)
    except GatewayError as error:
        _log(work, error)
        _look_for_customer(work, error)
        return back_off(work, error.code)


def _log(work: Work, error: Exception) -> None:
    """Log by its class alone what has failed: its text may hold what no log should."""
    current().db.session.rollback()
    is_processor = isinstance(error, GatewayError)
    current_app.logger.log(
        logging.WARNING if is_processor else logging.ERROR,
        "Invoice %s could not be collected: %s, %s.",
        work.invoice_id,
        type(error).__name__,
        getattr(error, "code", None) if is_processor else None,
    )


def _collect(work: Work, wish: Wish) -> str:
    if work.flight is not None:
        ended = settle(work, work.flight)
        if ended is not None:
            return ended
    begin_round(work)
    heir = heir_of(work)
    answer = _known(work, heir)
    while True:
        if not isinstance(answer, str) and _has_another_customer(work, answer, heir):
            answer = leave_behind(work, answer, heir)
        if isinstance(answer, str):
            return answer
        ended = _without_charge(work, answer, wish)
        if ended is not None:
            return ended
        answer, (attempt, methods) = _start(work, answer, wish)
        if attempt is None:
            return plan(work, answer, has_methods=bool(methods))
        ended = try_method(work, attempt, answer.stamp)
        if ended not in {"declined", "needs_action", "refused"}:
            return ended
        answer = ask(work)
        if answer.remote.state == "open" and wish.only is not None:
            return _stop(work, answer)


def _known(work: Work, heir: Heir | None) -> Answer | str:
    """Return the invoice as the processor has it, issued now if it is not yet."""
    if work.is_issued:
        return ask(work)
    if work.info_id is None:
        return plan(work, None, has_methods=False)
    return issue(work, heir)


def _has_another_customer(work: Work, answer: Answer, heir: Heir | None) -> bool:
    """Return whether an unpaid invoice was issued to somebody else than whoever pays now."""
    remote = answer.remote
    customer_id = work.customer_id if heir is None else heir.customer_id
    if remote.state != "open" or customer_id is None or remote.customer_id is None:
        return False
    return remote.customer_id != customer_id and not is_under_way(remote)


def _without_charge(work: Work, answer: Answer, wish: Wish) -> str | None:
    """End the look where there is nothing to charge now; `None` where there is."""
    remote = answer.remote
    if remote.state in {"paid", "void", "uncollectible"}:
        return finish(work, answer)
    if remote.state != "open" or differs(work, remote):
        return park(work, "issued_differently", answer)
    if is_under_way(remote):
        # Whoever sent it: a second payment must not be begun.
        at = clock.now() + FIRST_LOOK
        return wait(work, at, answer, state="processing", needs=None)
    if remote.on_terms and wish.only is None:
        return await_transfer(work, answer)
    return None


def _start(work: Work, answer: Answer, wish: Wish) -> tuple[Answer, Start]:
    """Begin a try on the newest answer.

    :raises Lost: The claim is not ours any more, or nothing is to be charged by now.
    """
    for _ in range(_PATIENCE):
        try:
            return answer, start(work, answer, wish)
        except Lost:
            if not is_ours(work):
                raise
        # An event told of something newer meanwhile.
        answer = ask(work)
        if answer.remote.state != "open":
            break
    raise Lost


def _stop(work: Work, answer: Answer) -> str:
    """End the look though there may be other methods: a person looks on, and the plan stays."""
    at = clock.now() + FIRST_LOOK * 24
    wait(work, at, answer, needs="confirmation" if work.wants_owner else work.needs)
    return "needs_owner" if work.wants_owner else "failed"


def _park_missing(work: Work) -> str:
    if work.remote_state == "draft":
        return park(work, "deleted_at_processor", remote_state="deleted")
    return park(work, "missing_at_processor")


def _look_for_customer(work: Work, error: GatewayError) -> None:
    """Find out whether the customer was deleted, as then another one may pay."""
    if error.code == "resource_missing" and work.customer_id is not None:
        try:
            sync.customer(work.customer_id)
        except GatewayError:
            current().db.session.rollback()
