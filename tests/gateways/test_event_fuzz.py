"""Whatever is posted, reading it gives a notification or a refusal and never anything else."""

from __future__ import annotations

import json
import re
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from flask_billing.errors import EventRefused
from flask_billing.gateways import RemoteEvent
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.settings import Settings
from tests.gateways.notices import OTHER_SECRET, SECRET, event, header, read, written

GATEWAY = StripeGateway(Settings.from_config({"STRIPE_SECRET_KEY": "sk_test_1"}))
SAFE = re.compile(r"[A-Za-z0-9_.;= -]*")

TEXTS = st.text(st.characters())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
PATHS: list[tuple[str, ...]] = [
    ("id",),
    ("object",),
    ("type",),
    ("created",),
    ("livemode",),
    ("account",),
    ("api_version",),
    ("request",),
    ("request", "idempotency_key"),
    ("data",),
    ("data", "object"),
    ("data", "object", "id"),
    ("data", "object", "object"),
    ("data", "object", "customer"),
    ("data", "object", "customer", "id"),
    ("data", "previous_attributes"),
    ("data", "previous_attributes", "customer"),
]
Change = tuple[tuple[str, ...], Any]
CHANGES: st.SearchStrategy[list[Change]] = st.lists(
    st.tuples(st.sampled_from(PATHS), VALUES), max_size=4
)


def outcome(body: bytes, sent: str) -> RemoteEvent | None:
    try:
        return GATEWAY.read_event(body, sent, [SECRET, OTHER_SECRET])
    except EventRefused:
        return None


def mutated(changes: list[Change]) -> dict[str, Any]:
    body = event({"id": "pm_1", "object": "payment_method", "customer": {"id": "cus_1"}}, {})
    for path, value in changes:
        place: Any = body
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[path[-1]] = value
    return body


def assert_safe(found: RemoteEvent) -> None:
    kept = (
        found.stripe_id,
        found.type,
        found.object_id,
        found.object_type,
        found.customer_id,
        found.account_id,
        found.api_version,
        found.idempotency_key,
    )
    for text in kept:
        assert text is None or (SAFE.fullmatch(text) and len(text) <= 255)
    assert 1970 <= found.created_at.year < 9999


@given(st.binary(), st.text(st.characters()))
@example(b"{}", "t=1,v1=\udcff")
def test_bytes_that_nobody_signed_are_refused(body: bytes, sent: str) -> None:
    assert outcome(body, sent) is None


@given(st.binary())
def test_signed_bytes_are_refused(body: bytes) -> None:
    assert outcome(body, header(body)) is None


@given(VALUES)
def test_signed_json_is_refused_unless_it_is_a_notification(value: Any) -> None:
    raw = written(value)

    assert outcome(raw, header(raw)) is None


@given(st.lists(st.tuples(st.sampled_from(PATHS), VALUES), max_size=4))
def test_mutated_notification_is_safe_or_refused(
    changes: list[tuple[tuple[str, ...], Any]],
) -> None:
    raw = written(mutated(changes))

    found = outcome(raw, header(raw))

    if found is not None:
        assert_safe(found)


@given(st.integers(0), st.binary(max_size=4))
def test_torn_notification_is_safe_or_refused(place: int, torn: bytes) -> None:
    raw = written(event())
    at = place % len(raw)
    raw = raw[:at] + torn + raw[at + len(torn) :]

    found = outcome(raw, header(raw))

    if found is not None:
        assert_safe(found)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_nothing_of_the_content_is_in_what_is_read(secret: str) -> None:
    canary = f"canary {secret}"
    thing = {"id": "cus_1", "object": "customer", "email": canary, canary: canary}

    found = read(GATEWAY, event(thing, {"email": canary}))

    assert "canary" not in repr(found)
    assert "canary" not in json.dumps(str(found))
