"""Whatever is posted, the answer is no 500, and there is a row only where it is 200."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from flask_billing.models import BillingEvent, table_of
from flask_billing.sandbox import Sandbox
from tests.events.world import PATH, World, make_app
from tests.gateways.notices import SECRET, event, header, signature
from tests.host import db

THING = {"id": "pm_1", "object": "payment_method", "customer": {"id": "cus_1"}}
FORGED = re.compile(r"t=\d+,v1=" + "0" * 64)

#: The world is the same for every example: each empties the table.
many = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXTS = st.text(st.characters())
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
HEADERS = st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))
PATHS: list[tuple[str, ...]] = [
    *[(name,) for name in ("id", "object", "type", "created", "livemode", "account")],
    *[(name,) for name in ("api_version", "request", "data", "context", "pending_webhooks")],
    ("request", "idempotency_key"),
    *[("data", name) for name in ("object", "previous_attributes")],
    *[("data", "object", name) for name in ("id", "object", "customer", "metadata")],
    ("data", "object", "customer", "id"),
    ("data", "previous_attributes", "customer"),
]
TYPES = st.sampled_from(["payment_method.updated", "customer.deleted", "a.b", "mandate.updated"])


@pytest.fixture
def target(sqlite_url: str, stripe_sandbox: Sandbox) -> World:
    """A host that answers with a 500 where a test would else see the exception."""
    return careless(sqlite_url, stripe_sandbox)


@pytest.fixture
def each_target(database_url: str, stripe_sandbox: Sandbox) -> World:
    """The same, once on each database."""
    return careless(database_url, stripe_sandbox)


def careless(url: str, sandbox: Sandbox) -> World:
    return World(make_app(url, sandbox, TESTING=False, PROPAGATE_EXCEPTIONS=False), sandbox)


def outcome(world: World, body: bytes, **headers: str) -> tuple[int, int]:
    """Post, and return the answer's status and the number of rows, which are then deleted."""
    answer = world.app.test_client().post(
        PATH, data=body, headers={name.replace("_", "-"): value for name, value in headers.items()}
    )
    with world.app.app_context():
        rows = db.session.scalar(select(func.count()).select_from(BillingEvent)) or 0
        if rows:
            db.session.execute(delete(table_of(BillingEvent)))
        db.session.commit()
    return answer.status_code, rows


def assert_fine(found: tuple[int, int]) -> None:
    assert found in {(200, 1), (400, 0), (413, 0)}


def mutated(changes: list[tuple[tuple[str, ...], Any]], kind: str) -> dict[str, Any]:
    body = event(json.loads(json.dumps(THING)), {}, type=kind)
    for path, value in changes:
        place: Any = body
        for name in path[:-1]:
            place = place.get(name) if isinstance(place, dict) else None
        if isinstance(place, dict):
            place[path[-1]] = value
    return body


@many
@given(
    body=st.binary(), sent=st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"))
)
@example(body=b"\xff", sent="t=1,v1=\xff")
def test_bytes_that_nobody_signed_are_refused(target: World, body: bytes, sent: str) -> None:
    assert outcome(target, body, Stripe_Signature=sent) == (400, 0)


@many
@given(body=st.binary())
def test_signed_bytes_are_refused(target: World, body: bytes) -> None:
    assert outcome(target, body, Stripe_Signature=header(body)) == (400, 0)


@many
@given(changes=st.lists(st.tuples(st.sampled_from(PATHS), VALUES), max_size=4), kind=TYPES)
def test_hostile_values_in_a_signed_event_are_stored_or_refused(
    each_target: World, changes: list[tuple[tuple[str, ...], Any]], kind: str
) -> None:
    body = json.dumps(mutated(changes, kind)).encode()

    assert_fine(outcome(each_target, body, Stripe_Signature=header(body)))


@many
@given(place=st.integers(0), torn=st.binary(max_size=4))
def test_torn_event_is_stored_or_refused(target: World, place: int, torn: bytes) -> None:
    whole = json.dumps(event(THING)).encode()
    at = place % len(whole)
    body = whole[:at] + torn + whole[at + len(torn) :]

    assert_fine(outcome(target, body, Stripe_Signature=header(body)))


PARTS = st.one_of(
    st.sampled_from(["t", "v1", "v0", "", "t=", "v1=", "=", "t=0", "t=1e3", "t=99999999999999"]),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=8),
)


@many
@given(before=st.lists(PARTS, max_size=3), after=st.lists(PARTS, max_size=3))
def test_odd_parts_around_a_right_signature_are_no_trouble(
    target: World, before: list[str], after: list[str]
) -> None:
    body = json.dumps(event(THING)).encode()
    sent = ",".join([*before, *header(body).split(","), *after])

    assert_fine(outcome(target, body, Stripe_Signature=sent))


@many
@given(
    length=st.sampled_from(["-1", "x", "1e3", "99999999999999999999", "0", " 5", ""]),
    kind=st.sampled_from(["multipart/form-data", "application/x-www-form-urlencoded", "\xff", ""]),
    encoding=st.sampled_from(["gzip", "chunked", "identity", ""]),
)
def test_odd_headers_are_refused_or_read(
    target: World, length: str, kind: str, encoding: str
) -> None:
    body = json.dumps(event(THING)).encode()

    found = outcome(
        target,
        body,
        Stripe_Signature=header(body),
        Content_Length=length,
        Content_Type=kind,
        Content_Encoding=encoding,
        Transfer_Encoding=encoding,
    )

    assert_fine(found)


def test_the_examples_above_would_be_taken_if_they_were_right(target: World) -> None:
    body = json.dumps(mutated([], "payment_method.updated")).encode()
    wrong = header(body).replace(signature(body, SECRET), "0" * 64)

    assert outcome(target, body, Stripe_Signature=header(body)) == (200, 1)
    assert FORGED.match(wrong)
    assert outcome(target, body, Stripe_Signature=wrong) == (400, 0)
