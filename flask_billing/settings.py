"""Reads the host's configuration once, at start-up, and refuses what cannot work."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from click import ClickException

from flask_billing.rates import RateBook, RatesError

__all__ = ["Settings", "SettingsError"]


class SettingsError(ClickException, RuntimeError):
    """A setting has a value that cannot work; the message names the key and the fix.

    It is raised while the app is made. On the command line, where Flask has just begun to load the
    app, it is an error of the command: its message and status 1, without a traceback.
    """


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
        api_base = _url(config, "STRIPE_API_BASE")
        return cls(
            secret_key=_secret_key(config, api_base),
            webhook_secrets=_webhook_secrets(config),
            api_base=api_base,
            timeout=_timeout(config),
            base_url=_url(config, "BILLING_BASE_URL"),
            url_prefix=_path(config, "BILLING_URL_PREFIX", cls.url_prefix, needs="<project_id>"),
            webhook_path=_plain_path(config, "BILLING_WEBHOOK_PATH", cls.webhook_path),
            currency=_currency(config),
            new_method_position=_choice(config, "BILLING_NEW_METHOD_POSITION", ("last", "first")),
            page_timeout=_seconds(config, "BILLING_PAGE_TIMEOUT", cls.page_timeout),
            blocked_countries=_countries(config),
            banned_card_key=_banned_card_key(config),
            preauthorization=_minor_units(config, "BILLING_PREAUTHORIZATION"),
            layout=_text(config, "BILLING_LAYOUT") or cls.layout,
            staff_prefix=_plain_path(config, "BILLING_STAFF_PREFIX", cls.staff_prefix),
            webhook_max_bytes=_count(
                config, "BILLING_WEBHOOK_MAX_BYTES", cls.webhook_max_bytes, least=65_536
            ),
            event_processing=_choice(
                config, "BILLING_EVENT_PROCESSING", ("worker", "after_response", "celery")
            ),
            event_tries=_count(config, "BILLING_EVENT_TRIES", cls.event_tries, least=1),
            # The processor sends an event again for 30 days: a pruned one would count as new.
            event_retention_days=_count(
                config, "BILLING_EVENT_RETENTION_DAYS", cls.event_retention_days, least=31
            ),
            rates=_rates(config, root_path),
            monthly_cap_minutes=_cap(config),
            close_after=timedelta(
                seconds=_count(
                    config, "BILLING_CLOSE_AFTER", int(cls.close_after.total_seconds()), least=0
                )
            ),
            below_minimum=_choice(config, "BILLING_BELOW_MINIMUM", ("carry", "waive")),
            sanity_factor=_count(config, "BILLING_SANITY_FACTOR", cls.sanity_factor, least=0),
        )


def _text(config: Mapping[str, Any], key: str) -> str | None:
    value = config.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SettingsError(f"{key} must be text, not {type(value).__name__}.")
    return value


def _secret_key(config: Mapping[str, Any], api_base: str | None) -> str | None:
    key = _text(config, "STRIPE_SECRET_KEY")
    if key is None:
        return None
    if not re.fullmatch(r"(sk|rk)_(test|live)_\S+", key):
        raise SettingsError(
            "STRIPE_SECRET_KEY must begin with sk_test_, sk_live_, rk_test_ or rk_live_. Copy the "
            "secret key, not the publishable one, from Stripe's dashboard; leave the setting out "
            "to switch billing off."
        )
    if api_base is not None and key[3:].startswith("live_"):
        raise SettingsError(
            "STRIPE_API_BASE is set together with a live STRIPE_SECRET_KEY: real money must not "
            "take that way. Remove STRIPE_API_BASE, or use a test key."
        )
    return key


def _webhook_secrets(config: Mapping[str, Any]) -> tuple[str, ...]:
    secrets = _words(config.get("STRIPE_WEBHOOK_SECRET"))
    if not all(isinstance(secret, str) and secret.startswith("whsec_") for secret in secrets):
        raise SettingsError(
            "STRIPE_WEBHOOK_SECRET must be one signing secret or several (for rotation), each "
            "beginning with whsec_."
        )
    return tuple(secrets)


def _words(value: Any) -> list[Any]:
    """Return the words of a text, or what a list holds; nothing is an empty list."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) else [value]


def _url(config: Mapping[str, Any], key: str) -> str | None:
    value = _text(config, key)
    if value is None:
        return None
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or re.search(r"[\s@?#]", value):
        raise SettingsError(
            f"{key} must be an address such as https://app.example.com, without user, query or "
            "fragment."
        )
    return value.rstrip("/")


def _path(config: Mapping[str, Any], key: str, default: str, *, needs: str = "") -> str:
    value = _text(config, key) or default
    if not value.startswith("/") or (needs and needs not in value):
        wanted = f" and contain {needs}" if needs else ""
        raise SettingsError(f"{key} must begin with a slash{wanted}, as in {default}.")
    return value.rstrip("/")


def _plain_path(config: Mapping[str, Any], key: str, default: str) -> str:
    value = _text(config, key) or default
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+/?", value):
        raise SettingsError(
            f"{key} must begin with a slash and be a path of letters, digits and the characters "
            f". _ ~ -, as in {default}."
        )
    return value.rstrip("/")


def _timeout(config: Mapping[str, Any]) -> tuple[float, float]:
    value = config.get("STRIPE_TIMEOUT", Settings.timeout)
    try:
        connect, read = (float(seconds) for seconds in value)
        # The characters of a text such as "35" are no two numbers.
        valid = not isinstance(value, str) and 0 < connect <= 60 and 0 < read <= 80
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise SettingsError(
            "STRIPE_TIMEOUT must be two numbers of seconds, (connect, read), above 0 and at most "
            "60 and 80."
        )
    return connect, read


def _seconds(config: Mapping[str, Any], key: str, default: float) -> float:
    try:
        value = float(config.get(key, default))
    except (TypeError, ValueError):
        value = 0
    if not 0 < value <= 60:
        raise SettingsError(f"{key} must be a number of seconds above 0 and at most 60.")
    return value


def _currency(config: Mapping[str, Any]) -> str:
    value = _text(config, "BILLING_CURRENCY") or Settings.currency
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise SettingsError("BILLING_CURRENCY must be a three-letter code such as eur.")
    return value.lower()


def _choice(config: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    value = _text(config, key) or choices[0]
    if value not in choices:
        raise SettingsError(f"{key} must be one of: {', '.join(choices)}.")
    return value


def _countries(config: Mapping[str, Any]) -> frozenset[str]:
    codes = _words(config.get("BILLING_BLOCKED_COUNTRIES"))
    if not all(isinstance(code, str) and re.fullmatch(r"[A-Z]{2}", code) for code in codes):
        raise SettingsError(
            "BILLING_BLOCKED_COUNTRIES must be two-letter country codes in capitals, such as "
            '["KP", "IR"].'
        )
    return frozenset(codes)


def _banned_card_key(config: Mapping[str, Any]) -> str | None:
    value = _text(config, "BILLING_BANNED_CARD_KEY")
    if value is not None and len(value) < 16:
        raise SettingsError(
            "BILLING_BANNED_CARD_KEY must be a random text of at least 16 characters; keep it for "
            "as long as you keep the bans."
        )
    return value


def _minor_units(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,7}", str(value)):
        raise SettingsError(f"{key} must be a whole amount of minor units, such as 100 for 1.00.")
    return int(value)


def _rates(config: Mapping[str, Any], root_path: str) -> RateBook:
    name = _text(config, "BILLING_RATES")
    if name is None:
        return RateBook()
    try:
        return RateBook.load(Path(root_path, name))
    except RatesError as error:
        raise SettingsError(f"BILLING_RATES: {error}") from None


def _cap(config: Mapping[str, Any]) -> int | None:
    """Return the most minutes of a month that are charged for; 0 hours switch the cap off."""
    minutes = _count(config, "BILLING_MONTHLY_CAP_HOURS", 672, least=0) * 60
    return minutes or None


def _count(config: Mapping[str, Any], key: str, default: int, *, least: int) -> int:
    value = config.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)):
        raise SettingsError(f"{key} must be a whole number.")
    if int(value) < least:
        raise SettingsError(f"{key} must be at least {least}.")
    return int(value)
