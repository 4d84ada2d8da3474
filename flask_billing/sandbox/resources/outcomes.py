"""What becomes of a payment intent, and who else hears of it.

A listener is a function of the call and the intent, registered with `follow`. It is called each
time an intent has come to `succeeded`, `requires_payment_method`, `requires_action`, `processing`
or `canceled`, after the intent and its event are written.
"""

from collections.abc import Callable
from typing import NoReturn

from flask_billing.sandbox.declines import Decline
from flask_billing.sandbox.engine.call import Call
from flask_billing.sandbox.engine.store import Obj

Listener = Callable[[Call, Obj], None]

_listeners: list[Listener] = []


def follow(listener: Listener) -> Listener:
    """Call a function with each intent that has come to something."""
    _listeners.append(listener)
    return listener


def tell(call: Call, intent: Obj) -> Obj:
    """Call those who listen."""
    for listener in _listeners:
        listener(call, intent)
    return intent


def succeed(call: Call, intent: Obj, amount: int) -> Obj:
    """Write that an amount was received."""
    call.change(intent, "payment_intent.succeeded", status="succeeded", amount_received=amount)
    return tell(call, intent)


def miss(call: Call, intent: Obj, payment_method: Obj, decline: Decline) -> Obj:
    """Write that a payment method failed, and give the error; the intent waits for another."""
    error = {**decline.error(), "payment_method": payment_method}
    if intent["latest_charge"] is not None:
        error["charge"] = intent["latest_charge"]
    call.change(
        intent,
        "payment_intent.payment_failed",
        status="requires_payment_method",
        payment_method=None,
        last_payment_error=error,
        next_action=None,
    )
    tell(call, intent)
    return error


def fail(call: Call, intent: Obj, payment_method: Obj, decline: Decline) -> NoReturn:
    """Write that a payment method failed, and raise it."""
    error = miss(call, intent, payment_method, decline)
    more = {name: error[name] for name in ("charge", "payment_method") if name in error}
    raise decline.problem(payment_intent=intent, **more)
