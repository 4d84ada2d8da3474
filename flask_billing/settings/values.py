"""Reads the settings that are like no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask_billing.rates import RateBook, RatesError
from flask_billing.settings.reading import SettingsError, count, text, words

__all__ = [
    "banned_card_key",
    "cap",
    "countries",
    "currency",
    "mail_sender",
    "rates",
    "retry_days",
    "secret_key",
    "timeout",
    "webhook_secrets",
]


def secret_key(config: Mapping[str, Any], api_base: str | None) -> str | None:
    """Return the key; without one billing is off."""
    key = text(config, "STRIPE_SECRET_KEY")
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


def webhook_secrets(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the signing secrets."""
    secrets = words(config.get("STRIPE_WEBHOOK_SECRET"))
    if not all(isinstance(secret, str) and secret.startswith("whsec_") for secret in secrets):
        raise SettingsError(
            "STRIPE_WEBHOOK_SECRET must be one signing secret or several (for rotation), each "
            "beginning with whsec_."
        )
    return tuple(secrets)


def timeout(config: Mapping[str, Any], default: tuple[float, float]) -> tuple[float, float]:
    """Return how long to wait for a connection and for an answer."""
    value = config.get("STRIPE_TIMEOUT", default)
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


def currency(config: Mapping[str, Any], default: str) -> str:
    """Return a currency in small letters."""
    value = text(config, "BILLING_CURRENCY") or default
    if not re.fullmatch(r"[A-Za-z]{3}", value):
        raise SettingsError("BILLING_CURRENCY must be a three-letter code such as eur.")
    return value.lower()


def countries(config: Mapping[str, Any]) -> frozenset[str]:
    """Return the codes of countries."""
    codes = words(config.get("BILLING_BLOCKED_COUNTRIES"))
    if not all(isinstance(code, str) and re.fullmatch(r"[A-Z]{2}", code) for code in codes):
        raise SettingsError(
            "BILLING_BLOCKED_COUNTRIES must be two-letter country codes in capitals, such as "
            '["KP", "IR"].'
        )
    return frozenset(codes)


def banned_card_key(config: Mapping[str, Any]) -> str | None:
    """Return what banned cards are hashed with."""
    value = text(config, "BILLING_BANNED_CARD_KEY")
    if value is not None and len(value) < 16:
        raise SettingsError(
            "BILLING_BANNED_CARD_KEY must be a random text of at least 16 characters; keep it for "
            "as long as you keep the bans."
        )
    return value


def rates(config: Mapping[str, Any], root_path: str) -> RateBook:
    """Return the rates in the file that is named."""
    name = text(config, "BILLING_RATES")
    if name is None:
        return RateBook()
    try:
        return RateBook.load(Path(root_path, name))
    except RatesError as error:
        raise SettingsError(f"BILLING_RATES: {error}") from None


def cap(config: Mapping[str, Any]) -> int | None:
    """Return the most minutes of a month that are charged for; 0 hours switch the cap off."""
    minutes = count(config, "BILLING_MONTHLY_CAP_HOURS", 672, least=0) * 60
    return minutes or None


def retry_days(config: Mapping[str, Any], default: tuple[int, ...]) -> tuple[int, ...]:
    """Return after how many days from the first failure each planned round begins."""
    value = config.get("BILLING_RETRY_DAYS")
    if value is None or value == "":
        return default
    given = [str(word) for word in words(value)]
    days = [int(word) for word in given if re.fullmatch(r"[1-9][0-9]?", word)]
    if len(days) != len(given) or days != sorted(set(days)) or days[-1:] > [60]:
        raise SettingsError(
            "BILLING_RETRY_DAYS must be days after the first failure, rising and at most 60, such "
            "as [1, 3, 5, 7]; an empty list tries once."
        )
    return tuple(days)


def mail_sender(config: Mapping[str, Any]) -> str | None:
    """Return the address that notifications come from."""
    value = text(config, "BILLING_MAIL_SENDER")
    if value is not None and not re.fullmatch(r"[^\x00-\x1f]*[^\x00-\x20]@[^\x00-\x20@]+", value):
        raise SettingsError(
            "BILLING_MAIL_SENDER must be one address, such as billing@example.com or Example "
            "<billing@example.com>."
        )
    return value
