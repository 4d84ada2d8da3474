"""Settles an attempt whose outcome is unknown or under way, before anything else happens.

Three steps: what the processor tells of it counts; where nothing happened and the key is young,
the same request is sent once more; else, ten minutes after it was last sent, it never happened.
"""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from flask_billing import clock, projects
from flask_billing.collecting.asking import ask
from flask_billing.collecting.claiming import transaction
from flask_billing.collecting.ending import KEPT_ANSWERS, UNTIL_SURE, catch_up, finish, wait
from flask_billing.collecting.loading import Flight, Work
from flask_billing.collecting.paying import Attempt, Outcome, pay, payment_by
from flask_billing.collecting.releasing import renew
from flask_billing.collecting.trying import conclude, ended_as, next_look
from flask_billing.collecting.writing import Answer, Ended, end_attempt
from flask_billing.gateways import RemoteCharge
from flask_billing.models import PaymentAttempt, table_of
from flask_billing.state import current

__all__ = ["settle", "told"]

#: The processor keeps keys for a day at least.
_KEY_AGE = timedelta(hours=23)
#: A charge that is so much older than the attempt is none of its, whatever the clocks say.
_OLDEST = timedelta(days=1)
_CONFIRMATION = {"authentication_required", "invoice_payment_intent_requires_action"}


def settle(work: Work, flight: Flight) -> str | None:
    """Find out what became of an attempt, and write it.

    :returns: How the look ended; `None` where it goes on, with no attempt in flight.
    :raises GatewayError: The processor refused or did not answer.
    """
    answer = ask(work)
    outcome = told(work, flight, answer)
    if outcome is not None and outcome.kind == "processing":
        ended = ended_as(flight.id, outcome)
        return wait(work, clock.now() + next_look(flight), answer, ended, state="processing")
    if answer.remote.state != "open":
        return finish(work, answer, ended_as(flight.id, outcome or _NEVER))
    if outcome is None:
        return _untold(work, flight, answer)
    if outcome.kind == "succeeded":
        # Charged, and not on the invoice yet: that takes the processor a moment.
        return wait(work, clock.now() + timedelta(minutes=1), answer)
    return _go_on(conclude(work, _attempt(flight), outcome, answer.stamp, sends=flight.sends))


def told(work: Work, flight: Flight, answer: Answer) -> Outcome | None:
    """Return what the processor tells of an attempt; `None` where that is nothing."""
    charge = _charge_of(work, flight, answer)
    if charge is not None:
        return _outcome_of(charge)
    payment = payment_by(answer.remote, flight.method_stripe_id)
    if payment is None or (payment.charge_id is not None and payment.intent_state != "processing"):
        return None
    if payment.intent_state == "processing":
        return Outcome("processing", intent_id=payment.intent_id, charge_id=payment.charge_id)
    if payment.intent_state == "requires_action":
        return Outcome("needs_action", intent_id=payment.intent_id)
    return None


def _charge_of(work: Work, flight: Flight, answer: Answer) -> RemoteCharge | None:
    """Return the charge that an attempt has made: of its method, and of no other attempt."""
    intents = dict.fromkeys(each.intent_id for each in answer.remote.payments if each.intent_id)
    charges = [
        charge for intent_id in intents for charge in current().gateway.charges_of(intent_id)
    ]
    known = _charges_of_others(work, flight)
    for charge in reversed(charges):
        if flight.charge_id is not None:
            # Known by its id, it is its own however far apart the clocks are.
            is_its = charge.stripe_id == flight.charge_id
        else:
            is_its = charge.method_id == flight.method_stripe_id and charge.stripe_id not in known
            is_its = is_its and not _is_older(charge, flight)
            # Whoever takes a part of it by other means may take it by the same method.
            is_whole = charge.amount == flight.amount or answer.remote.state == "paid"
            is_its = is_its and is_whole
        if is_its:
            return charge
    return None


def _is_older(charge: RemoteCharge, flight: Flight) -> bool:
    return charge.created_at is not None and charge.created_at < flight.created_at - _OLDEST


def _charges_of_others(work: Work, flight: Flight) -> set[str | None]:
    attempt = table_of(PaymentAttempt).c
    query = select(attempt.charge_id).where(
        attempt.invoice_id == work.invoice_id,
        attempt.id != flight.id,
        attempt.charge_id.is_not(None),
    )
    found = set(projects.connection().scalars(query))
    current().db.session.commit()
    return found


def _outcome_of(charge: RemoteCharge) -> Outcome:
    codes = {charge.code, charge.decline_code}
    if charge.state == "failed":
        kind = "needs_action" if codes & _CONFIRMATION else "declined"
    else:
        kind = "processing" if charge.state == "pending" else "succeeded"
    return Outcome(
        kind,
        intent_id=charge.intent_id,
        charge_id=charge.stripe_id,
        code=charge.code,
        decline_code=charge.decline_code,
        never_again=charge.never_again,
    )


def _untold(work: Work, flight: Flight, answer: Answer) -> str | None:
    """Go on where the processor knows nothing of an attempt, and the invoice is still open."""
    now = clock.now()
    if flight.state == "processing":
        return wait(work, now + next_look(flight), answer)
    if flight.code not in KEPT_ANSWERS and now - flight.created_at < _KEY_AGE:
        return _send_again(work, flight, answer)
    if now < flight.sent_at + UNTIL_SURE:
        return wait(work, flight.sent_at + UNTIL_SURE, answer)
    with transaction() as connection:
        # Who has taken the claim over may have sent it once more just now.
        renew(connection, work)
        end_attempt(connection, Ended(flight.id, "not_executed"))
    return None


def _send_again(work: Work, flight: Flight, answer: Answer) -> str | None:
    """Repeat a request with the same key and the same parameters."""
    attempt = table_of(PaymentAttempt)
    with transaction() as connection:
        renew(connection, work)
        sent = connection.execute(
            update(attempt)
            .where(attempt.c.id == flight.id, attempt.c.state == "sending")
            .values(sends=attempt.c.sends + 1, sent_at=clock.now(), code=None)
        )
    if not sent.rowcount:
        return catch_up(work)
    again = _attempt(flight)
    outcome = pay(again, work.stripe_id or "")
    return _go_on(conclude(work, again, outcome, answer.stamp, sends=flight.sends + 1))


def _attempt(flight: Flight) -> Attempt:
    return Attempt(flight.id, flight.method_id, flight.method_stripe_id)


def _go_on(ended: str) -> str | None:
    return None if ended in {"declined", "needs_action", "refused"} else ended


_NEVER = Outcome("not_executed")
