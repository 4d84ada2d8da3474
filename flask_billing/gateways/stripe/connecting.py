"""Holds the one client of Stripe's SDK that an app speaks through."""

from __future__ import annotations

from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import stripe

from flask_billing.gateways.stripe.failing import silence_logger

if TYPE_CHECKING:
    from flask_billing.settings import Settings

__all__ = ["Connected"]


class Connected:
    """What speaks to Stripe, with the key, the address and the time limits of the settings."""

    def __init__(self, settings: Settings) -> None:
        addresses = ("api", "files", "connect", "meter_events")
        base = settings.api_base
        self._key = settings.secret_key
        self._timeout = settings.timeout
        self._addresses: Any = dict.fromkeys(addresses, base) if base else {}
        silence_logger()
        if stripe.app_info is None:
            stripe.set_app_info("flask_billing", version=version("flask-billing"))

    @cached_property
    def _client(self) -> stripe.StripeClient:
        return stripe.StripeClient(
            self._key or "",
            max_network_retries=2,
            http_client=stripe.RequestsClient(timeout=self._timeout),
            base_addresses=self._addresses,
        )
