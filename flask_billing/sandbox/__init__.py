"""A local Stripe that the unmodified `stripe` SDK talks to over HTTP.

It is a WSGI app of its own, uses nothing of the rest of the package, and never leaves the machine.
"""

from .engine.engine import DEFAULT_ACCOUNT, DEFAULT_SECRET_KEY
from .hosted.checkout import Refused as CheckoutRefused
from .server import Sandbox, serve

__all__ = ["DEFAULT_ACCOUNT", "DEFAULT_SECRET_KEY", "CheckoutRefused", "Sandbox", "serve"]
