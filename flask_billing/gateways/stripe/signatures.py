"""Verifies who signed a notification, and when; see https://docs.stripe.com/webhooks/signatures."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable

import stripe

from flask_billing.errors import EventRefused

__all__ = ["verified_text"]

# How many seconds a signature may be old, or ahead of this machine's time.
_TOLERANCE = 300

_TIME = re.compile(r"t=([0-9]{1,12})")


def verified_text(body: bytes, header: str, secrets: Iterable[str]) -> str:
    """Return the text of a request that one of `secrets` has signed just now.

    :raises EventRefused: It is no text, not signed by any of them, too old, or from the future.
    """
    text = _decoded(body)
    if text is None:
        raise EventRefused("malformed")
    signed_at = _signed_at(header)
    if signed_at is None or not any(_is_signed(text, header, secret) for secret in secrets):
        raise EventRefused("signature")
    # Signatures carry real time, wherever a test has moved the clock to.
    if abs(time.time() - signed_at) > _TOLERANCE:
        raise EventRefused("time")
    return text


def _decoded(body: bytes) -> str | None:
    # The exception would hold the whole body, so it must not become the context of ours.
    try:
        return body.decode()
    except UnicodeDecodeError:
        return None


def _signed_at(header: str) -> int | None:
    """Return the moment that the SDK takes for the signed one: the first, however many there are.

    Anything but plain digits is refused, as the SDK would read another number from it than we do.
    """
    first = next((item for item in header.split(",") if item.startswith("t=")), "")
    found = _TIME.fullmatch(first)
    return int(found[1]) if found else None


def _is_signed(text: str, header: str, secret: str) -> bool:
    # The SDK has no limit for the future, so its limit for the past is not asked for either.
    try:
        stripe.WebhookSignature.verify_header(text, header, secret, tolerance=None)
    except (stripe.SignatureVerificationError, TypeError, ValueError):
        return False
    return True
