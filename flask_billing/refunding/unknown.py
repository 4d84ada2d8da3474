"""Knows when a request whose outcome is not known may be sent again, and how."""

from __future__ import annotations

from datetime import timedelta

from flask_billing import clock
from flask_billing.refunding.rows import Given

__all__ = ["WAIT", "may_repeat"]

#: How long an idempotency key is safe to repeat; the processor may forget it after a day.
_KEY_LIVES = timedelta(hours=23)
#: After so long without a trace, nothing will come of a sending any more.
WAIT = timedelta(minutes=10)
#: The processor answers the same again under such a key, or refuses it.
_KEY_IS_SPENT = {"server_error", "idempotency_key_reused"}


def may_repeat(given: Given) -> bool:
    """Return whether the same request can be sent again under the same key."""
    return given.code not in _KEY_IS_SPENT and clock.now() - given.created_at < _KEY_LIVES
