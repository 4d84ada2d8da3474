"""Reads single values of a configuration, and refuses what can't be meant."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from click import ClickException

__all__ = [
    "SettingsError",
    "choice",
    "count",
    "minor_units",
    "path",
    "plain_path",
    "seconds",
    "switch",
    "text",
    "url",
    "words",
]


class SettingsError(ClickException, RuntimeError):
    """A setting has a value that cannot work; the message names the key and the fix.

    It is raised while the app is made. On the command line, where Flask has just begun to load the
    app, it is an error of the command: its message and status 1, without a traceback.
    """


def text(config: Mapping[str, Any], key: str) -> str | None:
    """Return a text; nothing and an empty one are `None`."""
    value = config.get(key)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise SettingsError(f"{key} must be text, not {type(value).__name__}.")
    return value


def words(value: Any) -> list[Any]:
    """Return the words of a text, or what a list holds; nothing is an empty list."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if value is None:
        return []
    return list(value) if isinstance(value, Iterable) else [value]


def url(config: Mapping[str, Any], key: str) -> str | None:
    """Return an address without a slash at its end."""
    value = text(config, key)
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


def path(config: Mapping[str, Any], key: str, default: str, *, needs: str = "") -> str:
    """Return the beginning of a path, without a slash at its end."""
    value = text(config, key) or default
    if not value.startswith("/") or (needs and needs not in value):
        wanted = f" and contain {needs}" if needs else ""
        raise SettingsError(f"{key} must begin with a slash{wanted}, as in {default}.")
    return value.rstrip("/")


def plain_path(config: Mapping[str, Any], key: str, default: str) -> str:
    """Return a path without any variable part."""
    value = text(config, key) or default
    if not re.fullmatch(r"(?:/[A-Za-z0-9._~-]+)+/?", value):
        raise SettingsError(
            f"{key} must begin with a slash and be a path of letters, digits and the characters "
            f". _ ~ -, as in {default}."
        )
    return value.rstrip("/")


def seconds(config: Mapping[str, Any], key: str, default: float) -> float:
    """Return a number of seconds."""
    try:
        value = float(config.get(key, default))
    except (TypeError, ValueError):
        value = 0
    if not 0 < value <= 60:
        raise SettingsError(f"{key} must be a number of seconds above 0 and at most 60.")
    return value


def choice(config: Mapping[str, Any], key: str, choices: tuple[str, ...]) -> str:
    """Return one of `choices`, by default the first."""
    value = text(config, key) or choices[0]
    if value not in choices:
        raise SettingsError(f"{key} must be one of: {', '.join(choices)}.")
    return value


def minor_units(config: Mapping[str, Any], key: str) -> int | None:
    """Return an amount above zero."""
    value = config.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not re.fullmatch(r"[1-9][0-9]{0,7}", str(value)):
        raise SettingsError(f"{key} must be a whole amount of minor units, such as 100 for 1.00.")
    return int(value)


def count(config: Mapping[str, Any], key: str, default: int, *, least: int) -> int:
    """Return a whole number."""
    value = config.get(key)
    if value is None or value == "":
        return default
    if isinstance(value, bool) or not re.fullmatch(r"[0-9]{1,9}", str(value)):
        raise SettingsError(f"{key} must be a whole number.")
    if int(value) < least:
        raise SettingsError(f"{key} must be at least {least}.")
    return int(value)


def switch(config: Mapping[str, Any], key: str, default: bool) -> bool:
    """Return yes or no."""
    value = config.get(key)
    if value is None or value == "":
        return default
    meant = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if meant is None:
        raise SettingsError(f"{key} must be True or False.")
    return meant
