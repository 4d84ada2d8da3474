"""Reads Stripe's notifications, of whichever API version, without what they tell of people."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, TypeVar

from flask_billing.errors import EventRefused
from flask_billing.gateways.protocol import RemoteEvent

__all__ = ["event_in", "event_of"]

T = TypeVar("T")

_EVENT_ID = re.compile(r"evt_[A-Za-z0-9_]{1,250}")
_ID = re.compile(r"[A-Za-z0-9_-]{1,255}")
_NAME = re.compile(r"[a-z0-9_.]{1,100}")
_VERSION = re.compile(r"[A-Za-z0-9_.;= -]{1,60}")
# Leaves room for a database that shows its times in another zone.
_END_OF_TIME = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())


def event_in(text: str) -> RemoteEvent:
    """Return the notification that a signed text holds.

    :raises EventRefused: It holds none.
    """
    return event_of(_parsed(text))


def _parsed(text: str) -> Any:
    """Return what JSON holds, or `None`: the exception would hold the text."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON.")


def event_of(body: Any) -> RemoteEvent:
    """Return a notification from its parsed JSON.

    :raises EventRefused: It is none.
    """
    body = _a(dict, body)
    data = _a(dict, body.get("data"))
    thing = _a(dict, data.get("object"))
    if body.get("object") != "event":
        raise EventRefused("malformed")
    return RemoteEvent(
        stripe_id=_matching(_EVENT_ID, body.get("id")),
        type=_matching(_NAME, body.get("type")),
        livemode=_a(bool, body.get("livemode")),
        created_at=_moment(body.get("created")),
        object_id=_kept(_ID, thing.get("id")),
        object_type=_matching(_NAME, thing.get("object")),
        customer_id=_customer_id(thing, data.get("previous_attributes")),
        account_id=_account_id(body.get("account")),
        api_version=_kept(_VERSION, body.get("api_version")),
        idempotency_key=_idempotency_key(body.get("request")),
    )


def _a(kind: type[T], value: Any) -> T:
    """Return a value that is of exactly this kind; a boolean is no number."""
    if type(value) is not kind:
        raise EventRefused("malformed")
    return value


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    text = _a(str, value)
    if not pattern.fullmatch(text):
        raise EventRefused("malformed")
    return text


def _kept(pattern: re.Pattern[str], value: Any) -> str | None:
    """Return a text that may be absent, or `None` for one that is not kept.

    Some ids are the merchant's own choice, those of coupons and old plans, and so may be an e-mail.
    None of these objects is ours, but their notifications are no reason to refuse a delivery:
    Stripe would try it again for days, and give the endpoint up in the end.
    """
    if value is None:
        return None
    text = _a(str, value)
    if not text.isprintable():
        raise EventRefused("malformed")
    return text if pattern.fullmatch(text) else None


def _account_id(value: Any) -> str | None:
    # Strictly, because without it the notification would seem to be of our own account.
    return None if value is None else _matching(_ID, value)


def _moment(value: Any) -> datetime:
    seconds = _a(int, value)
    if not 0 <= seconds < _END_OF_TIME:
        raise EventRefused("malformed")
    return datetime.fromtimestamp(seconds, UTC)


def _customer_id(thing: dict[str, Any], before: Any) -> str | None:
    """Return whose object it is; what was just detached tells it in what it was before."""
    if thing.get("object") == "customer":
        return _reference(thing)
    found = _reference(thing.get("customer"))
    if found is None and isinstance(before, dict):
        found = _reference(before.get("customer"))
    return found


def _reference(value: Any) -> str | None:
    """Return the id of an object that may be expanded, not expanded or absent."""
    found = value.get("id") if isinstance(value, dict) else value
    return found if isinstance(found, str) and _ID.fullmatch(found) else None


def _idempotency_key(request: Any) -> str | None:
    # Versions before 2017-05-25 have the request's id here, and no key.
    if request is None or isinstance(request, str):
        return None
    return _kept(_ID, _a(dict, request).get("idempotency_key"))
