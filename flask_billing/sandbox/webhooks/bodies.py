"""Writes and signs what is sent to an endpoint, rightly or as a forger would.

See https://docs.stripe.com/webhooks/signatures: HMAC-SHA256 over the time and the body.
"""

import hashlib
import hmac
import json

from flask_billing.sandbox.engine.store import Obj

FORGERIES = (
    "bad_signature",
    "missing_signature",
    "bad_body",
    "old_timestamp",
    "future_timestamp",
    "several_signatures",
)
# Receivers allow five minutes.
_FAR = 3600
_SHIFTS = {"old_timestamp": -_FAR, "future_timestamp": _FAR}


def compose(
    event: Obj, secret: str, moment: float, how: str | None
) -> tuple[bytes, dict[str, str]]:
    """Give body and headers of a delivery.

    :param how: One of `FORGERIES` or `other_mode`; any other is right in every way.
    """
    shown = {**event, "livemode": not event["livemode"]} if how == "other_mode" else event
    body = json.dumps(shown, indent=2).encode()
    headers = {
        "Accept": "*/*; q=0.5, application/xml",
        "Cache-Control": "no-cache",
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
    }
    if how != "missing_signature":
        headers["Stripe-Signature"] = _header(body, secret, moment, how)
    if how == "bad_body":
        body = body.replace(event["id"].encode(), b"evt_1Forged")
    return body, headers


def sign(body: bytes, secret: str, timestamp: int) -> str:
    """Give the signature of a body that was sent at a moment."""
    signed = f"{timestamp}.".encode() + body
    return hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()


def _header(body: bytes, secret: str, moment: float, how: str | None) -> str:
    timestamp = int(moment) + _SHIFTS.get(how or "", 0)
    right = sign(body, secret, timestamp)
    wrong = sign(body, f"{secret}_forged", timestamp)
    if how == "bad_signature":
        return f"t={timestamp},v1={wrong}"
    if how == "several_signatures":
        return f"t={timestamp},v1={wrong},v1={right},v0={wrong}"
    return f"t={timestamp},v1={right}"
