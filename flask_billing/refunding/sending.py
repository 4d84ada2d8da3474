"""Asks the processor to give something back, and writes what came of it, once.

The row is committed before; the result is written only while the row still waits for it, so that
whoever else goes on with the same row ends in the same truth.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from flask import current_app

from flask_billing import clock, collecting, sync
from flask_billing.errors import GatewayError, GatewayUnavailable
from flask_billing.gateways import CreditNote
from flask_billing.refunding import balances
from flask_billing.refunding.rows import Given, load, park, put_off, write
from flask_billing.refunding.telling import tell_failure, tell_parked, tell_refund
from flask_billing.state import current

__all__ = ["Made", "find", "look", "made_by", "park_overpaid", "record", "send"]

_SOON = timedelta(minutes=1)
_LONGEST = timedelta(days=1)
#: The last states of a refund at the processor; `succeeded` may still turn into one of these.
_FAILED = {"failed", "canceled"}


class Made(NamedTuple):
    """What the processor has of a row."""

    credit_note_id: str | None
    stripe_id: str | None
    amount: int
    is_void: bool = False


def send(given: Given) -> None:
    """Ask the processor to give something back, under the key of its row; commits the session.

    An outcome that nobody knows leaves the row as it is, for the sweeper.
    """
    try:
        made = _ask(given)
    except GatewayUnavailable as error:
        _wait(given, error)
    except GatewayError as error:
        _refused(given, error)
    else:
        record(given, made)


def _ask(given: Given) -> Made:
    gateway, key = current().gateway, f"refund-{given.id}"
    if given.kind == "overpayment":
        refund = gateway.create_refund(
            given.intent_id or "", given.amount, local_id=given.id, key=key
        )
        return Made(None, refund.stripe_id, refund.amount)
    note = gateway.create_credit_note(
        given.invoice_stripe_id,
        given.amount,
        refund=given.kind == "refund",
        reason=given.reason,
        local_id=given.id,
        key=key,
    )
    return made_by(note)


def made_by(note: CreditNote) -> Made:
    """Return what a credit note tells of its row."""
    refund_id = next(iter(note.refund_ids), None)
    return Made(note.stripe_id, refund_id, note.amount, note.state == "void")


def find(given: Given) -> Made | None:
    """Return what the processor made for a row, by its metadata; `None` where there is nothing.

    :raises GatewayError: The processor refused or did not answer.
    """
    gateway, local_id = current().gateway, str(given.id)
    if given.kind == "overpayment":
        if given.stripe_id is not None:
            return Made(None, given.stripe_id, given.amount)
        for refund in gateway.refunds_of(given.intent_id or ""):
            if refund.local_id == local_id:
                return Made(None, refund.stripe_id, refund.amount)
        return None
    for note in gateway.credit_notes(given.invoice_stripe_id):
        if note.local_id == local_id:
            return made_by(note)
    return None


def _refused(given: Given, error: GatewayError) -> None:
    """Write that nothing is given back, unless an earlier sending did it all the same."""
    try:
        made = find(given)
    except GatewayError as unknown:
        # It says nothing of the key under which the refund was sent.
        _wait(given, unknown, is_of_key=False)
        return
    if made is not None:
        record(given, made)
        return
    if error.code == "idempotency_key_reused":
        # Somebody's earlier sending holds the key: it is waited for, and then another key is used.
        _wait(given, error)
        return
    current_app.logger.warning("Refund %s was refused (%s).", given.id, error.code)
    ended = write(
        given,
        state="refused",
        code=error.code,
        in_flight_marker=None,
        next_try_at=None,
        ended_at=clock.now(),
    )
    if ended and given.kind == "overpayment":
        park_overpaid(given)


def park_overpaid(given: Given) -> None:
    """Have somebody look at an overpayment that can't be given back by itself."""
    if park(given.invoice_id, "overpaid"):
        tell_parked(given.invoice_id, "overpaid")


def _wait(given: Given, error: GatewayError, *, is_of_key: bool = True) -> None:
    current_app.logger.warning("Refund %s is not settled yet (%s).", given.id, error.code)
    put_off(given, _SOON, error.code if is_of_key else None)


def record(given: Given, made: Made) -> None:
    """Write what was made for a row; what becomes of the money is looked at next.

    Commits the session, and tells once.
    """
    if given.kind == "overpayment":
        _record_overpayment(given, made)
        return
    now = clock.now()
    is_final = made.stripe_id is None or made.is_void
    last = "canceled" if made.is_void else "succeeded"
    written = write(
        given,
        state=last if is_final else "pending",
        credit_note_id=made.credit_note_id,
        stripe_id=made.stripe_id,
        amount=made.amount,
        code=None,
        in_flight_marker=None,
        next_try_at=None if is_final else now,
        ended_at=now if is_final else None,
    )
    if written:
        _follow_up(given)


def _record_overpayment(given: Given, made: Made) -> None:
    """Write the refund first, then take its credit off the customer's balance."""
    if given.stripe_id is None:
        # From here on it is the balance that is sent.
        if not write(given, stripe_id=made.stripe_id, sends=0, code=None):
            return
        given = load(given.id)
    try:
        taken = balances.find(given)
    except GatewayError as error:
        _wait(given, error, is_of_key=False)
        return
    try:
        taken = taken or balances.take_back(given)
    except GatewayUnavailable as error:
        _wait(given, error)
        return
    except GatewayError as error:
        current_app.logger.warning("The credit for %s stays (%s).", given.id, error.code)
    written = write(
        given,
        state="pending",
        balance_transaction_id=taken,
        in_flight_marker=None,
        next_try_at=clock.now(),
    )
    if written:
        _follow_up(given)
        if taken is None:
            park_overpaid(given)


def _follow_up(given: Given) -> None:
    tell_refund(given.id)
    look(load(given.id))
    try:
        collecting.observe(given.invoice_stripe_id)
    except GatewayError as error:
        # Its events bring it, and the next look.
        current_app.logger.warning(
            "Invoice %s could not be read after its refund (%s).", given.invoice_id, error.code
        )


def look(given: Given) -> str:
    """Bring a row whose refund is known up to what the processor says; commits the session.

    Tells of one that failed, once.

    :returns: Its state now.
    """
    if given.stripe_id is None or given.state not in {"pending", "succeeded"}:
        return given.state
    stamp = sync.take_stamp()
    try:
        remote = current().gateway.refund(given.stripe_id)
    except GatewayError as error:
        put_off(given, _patience(given), error.code)
        return given.state
    if remote is None:
        put_off(given, _LONGEST, "resource_missing")
        return given.state
    state = remote.state if remote.state in {"succeeded", *_FAILED} else "pending"
    values: dict[str, Any] = {"state": state, "code": remote.code, "next_try_at": None}
    if state == "pending":
        values["next_try_at"] = clock.now() + _patience(given)
    elif state != given.state:
        values["ended_at"] = clock.now()
    written = write(given, newer_than=stamp, **values)
    if written and state in _FAILED:
        tell_failure(given.id)
        if given.kind == "overpayment":
            park_overpaid(given)
    return state


def _patience(given: Given) -> timedelta:
    """Return when to look again: the older it is, the later, within a day."""
    age = clock.now() - given.created_at
    return min(max(age, timedelta(hours=1)), _LONGEST)
