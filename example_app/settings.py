"""Reads what a deployment sets in its environment."""

import os
from pathlib import Path
from typing import Any

OPTIONAL = (
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
    "STRIPE_API_BASE",
    "BILLING_BASE_URL",
    # The file that keeps how far the demo's clock was put forward; nobody else sets it.
    "DEMO_CLOCK",
    # The file that letters of the demo are written to, as it sends none.
    "DEMO_LETTERS",
)


def from_environment(instance_path: str) -> dict[str, Any]:
    """Return the app's configuration; what the environment leaves out keeps its default."""
    database = Path(instance_path, "harbour.sqlite3")
    settings: dict[str, Any] = {
        "SECRET_KEY": os.environ.get("SECRET_KEY"),
        "SQLALCHEMY_DATABASE_URI": os.environ.get("DATABASE_URL") or f"sqlite:///{database}",
        "PROXY_HOPS": _number("PROXY_HOPS", 0),
        "SIGN_IN_LIMIT_PER_ACCOUNT": _number("SIGN_IN_LIMIT_PER_ACCOUNT", 10),
        "SIGN_IN_LIMIT_PER_ADDRESS": _number("SIGN_IN_LIMIT_PER_ADDRESS", 50),
        "SIGN_IN_WINDOW": _number("SIGN_IN_WINDOW", 300),
        "SESSION_COOKIE_NAME": "harbour_session",
        "SESSION_COOKIE_SAMESITE": "Lax",
        "MAX_CONTENT_LENGTH": 256 * 1024,
        "BILLING_LAYOUT": "base.html",
        "BILLING_RATES": "rates.toml",
        # Few enough events come to a small site for its web workers to process them.
        "BILLING_EVENT_PROCESSING": "after_response",
    }
    settings |= {name: os.environ[name] for name in OPTIONAL if os.environ.get(name)}
    return settings


def _number(name: str, default: int) -> int:
    text = os.environ.get(name) or str(default)
    if not text.isdecimal():
        raise RuntimeError(f"{name} must be a whole number, not {text!r}.")
    return int(text)
