"""Takes back the credit that the processor gave for an overpayment which is given back."""

from __future__ import annotations

from flask_billing import clock
from flask_billing.errors import GatewayUnavailable
from flask_billing.refunding.rows import Given, count_sending
from flask_billing.refunding.unknown import WAIT, may_repeat
from flask_billing.state import current

__all__ = ["find", "take_back"]


def find(given: Given) -> str | None:
    """Return the id of the balance transaction that took the credit back, if there is one.

    :raises GatewayError: The processor refused or did not answer.
    """
    return current().gateway.find_balance_change(given.customer_id, given.id)


def take_back(given: Given) -> str:
    """Take the credit back, as there is no trace of it yet; commits the session.

    :returns: The id of the balance transaction.
    :raises GatewayRefusal: It can't be taken back.
    :raises GatewayUnavailable: Nobody knows whether it is, or it was sent just now: look again.
    """
    key = f"balance-{given.id}"
    if given.sends and not may_repeat(given):
        if clock.now() - given.sent_at < WAIT:
            raise GatewayUnavailable("It is not known yet what came of it.", code=given.code)
        key = f"{key}-{given.sends}"
    if not count_sending(given):
        raise GatewayUnavailable("Somebody else has settled it meanwhile.")
    return current().gateway.change_balance(
        given.customer_id, given.amount, given.currency, local_id=given.id, key=key
    )
