"""Saves payment methods on the processor's page, keeps their order, and removes them."""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import Session

from flask_billing import ordering
from flask_billing.payment_methods.adding import start
from flask_billing.payment_methods.adopting import adopt
from flask_billing.payment_methods.checks import ban
from flask_billing.payment_methods.completing import Completion, complete, finish
from flask_billing.payment_methods.looking import LookReport, look_again
from flask_billing.payment_methods.order import move
from flask_billing.payment_methods.removing import kept, remove, why_kept
from flask_billing.payment_methods.renewing import renew
from flask_billing.payment_methods.sharing import share
from flask_billing.payment_methods.sweeping import SweepReport, late, sweep

__all__ = [
    "Completion",
    "LookReport",
    "SweepReport",
    "adopt",
    "ban",
    "complete",
    "finish",
    "kept",
    "late",
    "listen",
    "look_again",
    "move",
    "remove",
    "renew",
    "share",
    "start",
    "sweep",
    "why_kept",
]


def listen() -> None:
    """Give payment methods that the host builds by hand their place in the order."""
    event.listen(Session, "before_flush", ordering.place_new)
