"""Holds the one client of Stripe's SDK that an app speaks through."""

from __future__ import annotations

import os
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import stripe

from flask_billing.gateways.stripe.failing import silence_logger
from flask_billing.gateways.stripe.pacing import Pace, PacedClient

if TYPE_CHECKING:
    from flask_billing.settings import Settings

__all__ = ["Connected"]


class Connected:
    """What speaks to Stripe, with the key, the address and the limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        addresses = ("api", "files", "connect", "meter_events")
        base = settings.api_base
        self._key = settings.secret_key
        self._timeout = settings.timeout
        self._rate = settings.stripe_rate
        self._addresses: Any = dict.fromkeys(addresses, base) if base else {}
        self._made: tuple[int, stripe.StripeClient] | None = None
        silence_logger()
        if stripe.app_info is None:
            stripe.set_app_info("flask_billing", version=version("flask-billing"))

    @property
    def _client(self) -> stripe.StripeClient:
        # A forked process must not speak through the connections of its parent, nor wait for locks
        # that one of the parent's threads held.
        process = os.getpid()
        if self._made is None or self._made[0] != process:
            self._made = (process, self._new_client())
        return self._made[1]

    def _new_client(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            self._key or "",
            max_network_retries=2,
            http_client=PacedClient(Pace(self._rate), self._timeout),
            base_addresses=self._addresses,
        )
