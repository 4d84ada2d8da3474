"""Reads the host's configuration once, at start-up, and refuses what cannot work."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

from flask_billing.rates import RateBook
from flask_billing.settings import reading, values
from flask_billing.settings.reading import SettingsError

__all__ = ["Settings", "SettingsError"]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The billing settings of one app.

    Made by :meth:`from_config`. Secrets are left out of its `repr`.
    """

    secret_key: str | None = field(default=None, repr=False)
    webhook_secrets: tuple[str, ...] = field(default=(), repr=False)
    api_base: str | None = None
    timeout: tuple[float, float] = (3.0, 15.0)
    base_url: str | None = None
    url_prefix: str = "/projects/<project_id>/billing"
    webhook_path: str = "/billing/webhooks/stripe"
    currency: str = "usd"
    new_method_position: str = "last"
    page_timeout: float = 4.0
    blocked_countries: frozenset[str] = frozenset()
    banned_card_key: str | None = field(default=None, repr=False)
    preauthorization: int | None = None
    layout: str = "billing/layout.html"
    staff_prefix: str = "/billing/staff"
    webhook_max_bytes: int = 1_048_576
    event_processing: str = "worker"
    event_tries: int = 12
    event_retention_days: int = 90
    rates: RateBook = field(default_factory=RateBook, repr=False)
    monthly_cap_minutes: int | None = 672 * 60
    close_after: timedelta = timedelta(hours=1)
    below_minimum: str = "carry"
    sanity_factor: int = 20
    automatic_tax: bool = False
    retry_days: tuple[int, ...] = (1, 3, 5, 7)
    try_next_on_confirmation: bool = True
    past_due_stops: bool = True
    collect_threads: int = 4
    stripe_rate: int = 20
    mail_sender: str | None = None

    @property
    def enabled(self) -> bool:
        """Whether billing is on."""
        return self.secret_key is not None

    @property
    def livemode(self) -> bool:
        """Whether the key moves real money; judged by its prefix only."""
        return self.secret_key is not None and self.secret_key[3:].startswith("live_")

    @cached_property
    def key_digest(self) -> str:
        """Names the key in our tables without giving it away (it has over 100 random bits)."""
        return hashlib.sha256(f"flask_billing:{self.secret_key}".encode()).hexdigest()

    @classmethod
    def from_config(cls, config: Mapping[str, Any], root_path: str = "") -> Settings:
        """Return the settings in `config`.

        :param root_path: The folder that the path of a file is relative to.
        :raises SettingsError: A value cannot work; the message names the key and the fix.
        """
        api_base = reading.url(config, "STRIPE_API_BASE")
        return cls(
            secret_key=values.secret_key(config, api_base),
            webhook_secrets=values.webhook_secrets(config),
            api_base=api_base,
            timeout=values.timeout(config, cls.timeout),
            base_url=reading.url(config, "BILLING_BASE_URL"),
            url_prefix=reading.path(
                config, "BILLING_URL_PREFIX", cls.url_prefix, needs="<project_id>"
            ),
            webhook_path=reading.plain_path(config, "BILLING_WEBHOOK_PATH", cls.webhook_path),
            currency=values.currency(config, cls.currency),
            new_method_position=reading.choice(
                config, "BILLING_NEW_METHOD_POSITION", ("last", "first")
            ),
            page_timeout=reading.seconds(config, "BILLING_PAGE_TIMEOUT", cls.page_timeout),
            blocked_countries=values.countries(config),
            banned_card_key=values.banned_card_key(config),
            preauthorization=reading.minor_units(config, "BILLING_PREAUTHORIZATION"),
            layout=reading.text(config, "BILLING_LAYOUT") or cls.layout,
            staff_prefix=reading.plain_path(config, "BILLING_STAFF_PREFIX", cls.staff_prefix),
            webhook_max_bytes=reading.count(
                config, "BILLING_WEBHOOK_MAX_BYTES", cls.webhook_max_bytes, least=65_536
            ),
            event_processing=reading.choice(
                config, "BILLING_EVENT_PROCESSING", ("worker", "after_response", "celery")
            ),
            event_tries=reading.count(config, "BILLING_EVENT_TRIES", cls.event_tries, least=1),
            # The processor sends an event again for 30 days: a pruned one would count as new.
            event_retention_days=reading.count(
                config, "BILLING_EVENT_RETENTION_DAYS", cls.event_retention_days, least=31
            ),
            rates=values.rates(config, root_path),
            monthly_cap_minutes=values.cap(config),
            close_after=timedelta(
                seconds=reading.count(
                    config, "BILLING_CLOSE_AFTER", int(cls.close_after.total_seconds()), least=0
                )
            ),
            below_minimum=reading.choice(config, "BILLING_BELOW_MINIMUM", ("carry", "waive")),
            sanity_factor=reading.count(
                config, "BILLING_SANITY_FACTOR", cls.sanity_factor, least=0
            ),
            automatic_tax=reading.switch(config, "BILLING_AUTOMATIC_TAX", cls.automatic_tax),
            retry_days=values.retry_days(config, cls.retry_days),
            try_next_on_confirmation=reading.switch(
                config, "BILLING_TRY_NEXT_ON_CONFIRMATION", cls.try_next_on_confirmation
            ),
            past_due_stops=reading.switch(config, "BILLING_PAST_DUE_STOPS", cls.past_due_stops),
            collect_threads=reading.count(
                config, "BILLING_COLLECT_THREADS", cls.collect_threads, least=1
            ),
            stripe_rate=reading.count(config, "BILLING_STRIPE_RATE", cls.stripe_rate, least=1),
            mail_sender=values.mail_sender(config),
        )
