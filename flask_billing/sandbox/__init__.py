"""A local Stripe that the unmodified `stripe` SDK talks to over HTTP.

It is a WSGI app of its own, uses nothing of the rest of the package, and never leaves the machine.
"""

from .engine.engine import DEFAULT_ACCOUNT, DEFAULT_SECRET_KEY, DEFAULT_WEBHOOK_SECRET
from .hosted.checkout import Refused as CheckoutRefused
from .server import Sandbox, serve
from .webhooks import Attempt, Webhooks

__all__ = [
    "DEFAULT_ACCOUNT",
    "DEFAULT_SECRET_KEY",
    "DEFAULT_WEBHOOK_SECRET",
    "Attempt",
    "CheckoutRefused",
    "Sandbox",
    "Webhooks",
    "serve",
]
