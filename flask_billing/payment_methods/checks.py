"""Decides which saved payment methods we refuse; all of it optional and off by default."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects, waking
from flask_billing.errors import (
    GatewayError,
    PaymentActionRequired,
    PaymentDeclined,
    UnsupportedOperation,
)
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import BannedCard, PaymentHold, PaymentMethod
from flask_billing.payment_methods.twins import replace_twins
from flask_billing.state import State, current
from flask_billing.transactions import require_clean

__all__ = ["ban", "finish_hold", "first_refusal", "place_hold"]

#: The refusal of a method whose hold is not decided yet.
CHECKING = "checking"
#: When a hold that was asked for without an answer is looked for, and not asked for again.
_REPEAT_FOR = timedelta(minutes=10)


def first_refusal(details: PaymentMethodDetails) -> str | None:
    """Return why a payment method that was just saved is refused, or `None`.

    :returns: ``"country"``, ``"banned"``, or ``"checking"`` until an amount was held on it.
    """
    state = current()
    blocked = state.settings.blocked_countries
    if blocked & {details.country, details.address.country}:
        return "country"
    if _is_banned(state, details.fingerprint):
        return "banned"
    # Nothing can be held on a bank account.
    held = state.settings.preauthorization is not None and details.type == "card"
    return CHECKING if held else None


def ban(method: PaymentMethod) -> None:
    """Refuse the card of `method` from now on, wherever it is saved again; commits the session.

    Only a keyed hash of its fingerprint is kept.

    :raises UnsupportedOperation: `BILLING_BANNED_CARD_KEY` is not set, or it is not a card.
    """
    session = require_clean()
    state = current()
    details = state.gateway.payment_method(method.stripe_id)
    if state.settings.banned_card_key is None or details is None or not details.fingerprint:
        raise UnsupportedOperation(
            "Only a card that the processor still knows can be banned, and only with "
            "BILLING_BANNED_CARD_KEY set."
        )
    method.refusal = "banned"
    session.commit()
    try:
        session.add(BannedCard(digest=_digest(state, details.fingerprint)))
        session.commit()
    except IntegrityError:
        session.rollback()


def _is_banned(state: State, fingerprint: str) -> bool:
    if state.settings.banned_card_key is None or not fingerprint:
        return False
    query = select(BannedCard.digest).where(BannedCard.digest == _digest(state, fingerprint))
    return state.db.session.scalar(query) is not None


def _digest(state: State, fingerprint: str) -> str:
    key = (state.settings.banned_card_key or "").encode()
    return hmac.new(key, fingerprint.encode(), hashlib.sha256).hexdigest()


def place_hold(method: PaymentMethod) -> None:
    """Hold the amount of `BILLING_PREAUTHORIZATION` on a new method; commits the session.

    The hold's row is committed first, so that whatever happens it is found and given back.
    """
    state = current()
    amount = state.settings.preauthorization
    if method.refusal != CHECKING:
        return
    if amount is None:
        # Switched off since the method was saved.
        _decide(method, None)
        state.db.session.commit()
        return
    currency = state.settings.currency
    hold = PaymentHold(payment_method_id=method.id, amount=amount, currency=currency)
    try:
        state.db.session.add(hold)
        state.db.session.commit()
    except IntegrityError:
        # Another completion of the same session was faster, and goes on with its own row.
        state.db.session.rollback()
        return
    finish_hold(hold)


def finish_hold(hold: PaymentHold) -> bool:
    """Bring a hold to its end, from wherever it is; commits the session. May be repeated.

    :returns: Whether it ended; where the processor does not answer, it has not yet.
    """
    try:
        if hold.state == "starting":
            _hold(hold)
        if hold.state in {"held", "processing"}:
            _release(hold)
    except GatewayError as error:
        current_app.logger.warning("Payment hold %s is not settled yet (%s).", hold.id, error.code)
        return False
    return hold.state in {"released", "declined"}


def _hold(hold: PaymentHold) -> None:
    session = current().db.session
    method = hold.payment_method
    customer, method_id, amount = method.billing_info.stripe_id, method.stripe_id, hold.amount
    currency, local_id = hold.currency, hold.id
    created_at = hold.created_at
    session.commit()
    held = None
    gateway = current().gateway
    try:
        held = gateway.find_hold(customer, local_id)
        if held is None and clock.now() - created_at > _REPEAT_FOR:
            # Nothing was held then, and nothing will be held for that request any more.
            _end(hold, "released")
        elif held is None:
            held = gateway.hold(customer, method_id, amount, currency, local_id=local_id)
    except PaymentActionRequired:
        # The bank wants to see the customer when money moves. Nothing is held, nothing is wrong.
        _end(hold, "released")
    except PaymentDeclined:
        _end(hold, "declined")
    if held is not None:
        hold.stripe_id, hold.state = held.stripe_id, held.state
        _decide(hold.payment_method, "declined" if held.state == "declined" else None)
    session.commit()
    if method.refusal is None:
        replace_twins(method)


def _release(hold: PaymentHold) -> None:
    session = current().db.session
    stripe_id = hold.stripe_id or ""
    session.commit()
    current().gateway.release_hold(stripe_id)
    _end(hold, "released")
    session.commit()


def _end(hold: PaymentHold, state: str) -> None:
    hold.state = state
    hold.released_at = clock.now()
    _decide(hold.payment_method, None if state == "released" else "declined")


def _decide(method: PaymentMethod, refusal: str | None) -> None:
    """Replace the refusal of a method that is being checked; one for another reason stays."""
    if method.refusal != CHECKING:
        return
    method.refusal = refusal
    if refusal is None:
        method.changed_at = clock.now()
        waking.wake(projects.connection(), method.billing_info_id)
