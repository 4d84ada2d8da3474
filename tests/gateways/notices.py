"""Writes and signs notifications as Stripe does, with an implementation of its own."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from typing import Any

from flask_billing.gateways import RemoteEvent
from flask_billing.gateways.stripe import StripeGateway

SECRET = "whsec_first"
OTHER_SECRET = "whsec_second"

CUSTOMER = {"id": "cus_1", "object": "customer", "email": "canary@example.com"}


def event(thing: Any = CUSTOMER, before: Any = None, **changes: Any) -> dict[str, Any]:
    """A notification of a change to `thing`."""
    return {
        "id": "evt_1",
        "object": "event",
        "api_version": "2026-10-28.endive",
        "created": 1_796_083_199,
        "data": {"object": thing, "previous_attributes": before},
        "livemode": False,
        "pending_webhooks": 1,
        "request": {"id": None, "idempotency_key": None},
        "type": "customer.updated",
        **changes,
    }


def written(body: Any) -> bytes:
    return body if isinstance(body, bytes) else json.dumps(body, indent=2).encode()


def signature(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    """The value of one `v1=`, without the time."""
    moment = int(time.time() if at is None else at)
    return hmac.new(secret.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()


def header(body: bytes, secret: str = SECRET, at: float | None = None) -> str:
    moment = int(time.time() if at is None else at)
    return f"t={moment},v1={signature(body, secret, moment)},v0={'0' * 64}"


def read(gateway: StripeGateway, body: Any, secret: str = SECRET) -> RemoteEvent:
    """Read a notification that is rightly signed."""
    raw = written(body)
    return gateway.read_event(raw, header(raw, secret), [SECRET])
