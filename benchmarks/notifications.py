"""Writes and signs notifications as Stripe does."""

from __future__ import annotations

import json
from typing import Any

import stripe

__all__ = ["SECRET", "headers_for", "notification"]

SECRET = "whsec_of_the_benchmarks"  # noqa: S105 - nothing else is signed with it


def notification(event_id: str, type: str, thing: dict[str, Any]) -> bytes:
    """Return the body of a notification of a change to `thing`, laid out as Stripe's are."""
    event = {
        "id": event_id,
        "object": "event",
        "api_version": stripe.api_version,
        "created": 1_796_083_199,
        "data": {"object": thing},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": "req_8Kx2Vb7nQp4TzM", "idempotency_key": None},
        "type": type,
    }
    return json.dumps(event, indent=2).encode()


def headers_for(body: bytes) -> dict[str, str]:
    """Return what is sent with a body, signed at this moment."""
    signature = stripe.WebhookSignature.generate_signature_header(body.decode(), SECRET)
    return {"Content-Type": "application/json; charset=utf-8", "Stripe-Signature": signature}
