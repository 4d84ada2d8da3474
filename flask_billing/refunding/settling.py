"""Settles a row whose outcome nobody knows, before anything else is done about its invoice.

First the processor is asked what came of it. Where nothing did, the same request is sent again
under the same key while the key lives; else, ten minutes after the last sending, it counts as not
executed, and another row is sent under a key of its own.
"""

from __future__ import annotations

from flask import current_app

from flask_billing import clock
from flask_billing.errors import GatewayError
from flask_billing.refunding.rows import Given, begin_anew, count_sending, load, put_off
from flask_billing.refunding.sending import find, record, send
from flask_billing.refunding.unknown import WAIT, may_repeat

__all__ = ["settle"]


def settle(given: Given) -> None:
    """Find out what came of a row, and go on from there; commits the session."""
    try:
        made = find(given)
    except GatewayError as error:
        current_app.logger.warning("Refund %s is not settled yet (%s).", given.id, error.code)
        put_off(given, WAIT)
        return
    if made is not None:
        record(given, made)
    elif may_repeat(given):
        if count_sending(given):
            send(given)
    elif (left := given.sent_at + WAIT - clock.now()).total_seconds() > 0:
        put_off(given, min(left, WAIT))
    elif (new_id := begin_anew(given)) is not None:
        send(load(new_id))
