"""What is posted is stored once and exactly as far as it is ids, or refused without a trace."""

from __future__ import annotations

import http.client
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from flask import Flask, request, session
from flask_wtf import CSRFProtect
from sqlalchemy import select, text

from flask_billing import clock, events
from flask_billing.events import Notice
from flask_billing.models import BillingEvent, table_of
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.events.world import (
    PATH,
    World,
    event_rows,
    made_up,
    make_app,
    serving,
    statements,
)
from tests.gateways.notices import OTHER_SECRET, SECRET, event, header, signature, written
from tests.host import billing, create_app, db

METHOD = {"id": "pm_1", "object": "payment_method", "customer": "cus_1"}
CANARY = "kanary"


def rows(world: World) -> list[BillingEvent]:
    with world.app.app_context():
        return event_rows()


def columns_of(row: BillingEvent) -> dict[str, Any]:
    return {column.key: getattr(row, column.key) for column in table_of(BillingEvent).columns}


def post(world: World, body: bytes, signed: str | None = None, **options: Any) -> int:
    """Post bytes with any header, or rightly signed."""
    headers = {"Stripe-Signature": header(body) if signed is None else signed}
    return world.app.test_client().post(PATH, data=body, headers=headers, **options).status_code


# What is kept


def test_accepted_event_is_exactly_what_is_known_of_it(outside: World) -> None:
    moment = datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC)
    key = f"details-{uuid4()}"
    body = event(
        METHOD, type="payment_method.updated", request={"id": "req_1", "idempotency_key": key}
    )

    with clock.moved(lambda: moment + timedelta(seconds=1)):
        status = outside.post(body)

    (row,) = rows(outside)
    assert status == 200
    assert columns_of(row) == {
        "id": row.id,
        "stripe_id": "evt_1",
        "type": "payment_method.updated",
        "object_id": "pm_1",
        "object_type": "payment_method",
        "customer_id": "cus_1",
        "account_id": None,
        "livemode": False,
        "api_version": "2026-10-28.endive",
        "idempotency_key": key,
        "created_at": moment,
        "received_at": moment + timedelta(seconds=1),
        "state": "pending",
        "reason": None,
        "attempts": 0,
        "next_try_at": moment + timedelta(seconds=1),
        "claimed_by": None,
        "ended_at": None,
        "error_class": None,
        "error_code": None,
    }


@pytest.mark.parametrize("kind", ["customer.updated", "product.updated"])
def test_nothing_of_the_body_reaches_a_table_or_a_log(
    outside: World, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    caplog.set_level(logging.DEBUG)
    thing = {"id": "cus_1", "object": "customer", "name": CANARY, "metadata": {CANARY: CANARY}}
    request_of = {"id": CANARY, "idempotency_key": CANARY}
    body = event(thing, {"email": f"{CANARY}@example.com"}, type=kind, request=request_of)
    extra = {CANARY: [CANARY], "context": CANARY}

    stored = outside.post(body | extra)
    forged = post(outside, written(body | extra), f"t=1,v1={CANARY}")
    malformed = outside.post(body | extra | {"created": CANARY})

    with outside.app.app_context(), db.engine.connect() as connection:
        dump = "\n".join(str(row) for row in connection.execute(select(table_of(BillingEvent))))
    assert (stored, forged, malformed) == (200, 400, 400)
    assert "cus_1" in dump
    assert CANARY not in dump
    assert CANARY not in caplog.text


@pytest.mark.parametrize(
    ("key", "kept"),
    [
        ("setup-0197f000-0000-7000-8000-000000000001", True),
        ("setup-0197f000-0000-7000-8000-000000000001-details-0", True),
        ("tax-id-0197f000-0000-7000-8000-000000000001", True),
        ("hold-0197f000-0000-7000-8000-000000000001", True),
        ("0197f000-0000-7000-8000-000000000001", False),
        ("setup-ada", False),
        ("x-setup-0197f000-0000-7000-8000-000000000001", False),
        ("setup-0197f000-0000-7000-8000-000000000001-ada", False),
    ],
)
def test_idempotency_key_is_kept_only_if_it_is_ours(outside: World, key: str, kept: bool) -> None:
    outside.post(event(METHOD, request={"id": "req_1", "idempotency_key": key}))

    assert [row.idempotency_key for row in rows(outside)] == [key if kept else None]


def test_unknown_type_is_stored_as_ignored(outside: World) -> None:
    status = outside.post(event({"id": "prod_1", "object": "product"}, type="product.updated"))

    (row,) = rows(outside)
    assert status == 200
    assert (row.state, row.reason, row.next_try_at) == ("ignored", "unknown_type", None)
    assert row.ended_at == row.received_at


def test_event_of_a_connected_account_is_stored_as_ignored(outside: World) -> None:
    status = outside.post(event(METHOD, type="payment_method.updated", account="acct_1"))

    (row,) = rows(outside)
    assert status == 200
    assert (row.state, row.reason, row.account_id) == ("ignored", "connected_account", "acct_1")


@pytest.mark.parametrize("account", [None, "acct_1"])
def test_event_that_a_handler_of_the_host_wants_waits_to_be_processed(
    outside: World, account: str | None
) -> None:
    @billing.on("product.*")
    def wanted(notice: Notice) -> None: ...

    outside.post(event({"id": "prod_1", "object": "product"}, type="product.updated"))
    outside.post(event({"id": "p", "object": "plan"}, id="evt_2", type="plan.updated"))
    outside.post(event(METHOD, id="evt_3", type="product.created", account=account))

    assert [row.state for row in rows(outside)] == ["pending", "ignored", "pending"]


# Once, and cheaply


def test_duplicate_is_answered_200_and_changes_nothing(each_world: World) -> None:
    body = event(METHOD, type="payment_method.updated")
    each_world.post(body)
    before = columns_of(event_rows()[0])

    again = each_world.post(body | {"type": "customer.deleted", "api_version": "2020-08-27"})

    (row,) = event_rows()
    assert again == 200
    assert columns_of(row) == before


def test_accepting_takes_one_statement_and_no_call(each_world: World) -> None:
    body = event(METHOD, type="payment_method.updated")
    db.session.remove()
    db.engine.dispose()
    each_world.post(event(METHOD, id="evt_0"))
    each_world.sandbox.requests.clear()

    with statements() as accepted:
        each_world.post(body)
    with statements() as repeated:
        each_world.post(body)

    assert [text.split()[0] for text in accepted] == ["INSERT"]
    assert [text.split()[0] for text in repeated] == ["INSERT"]
    assert len(each_world.sandbox.requests) == 0


def test_storing_says_whether_the_event_is_new(each_world: World) -> None:
    assert [events.store(made_up(number)) for number in (1, 1, 2, 1)] == [True, False, True, False]
    assert [row.stripe_id for row in event_rows()] == ["evt_1", "evt_2"]


def test_new_event_wakes_workers_and_a_duplicate_does_not(each_world: World) -> None:
    woken: list[str] = []
    each_world.app.extensions["billing"].wake_workers = lambda: woken.append("once more")

    for number in (1, 1, 2, 2):
        each_world.post(event(METHOD, id=f"evt_{number}", type="payment_method.updated"))

    assert len(woken) == 2


def test_workers_that_cannot_be_woken_do_not_make_the_processor_send_again(
    outside: World, caplog: pytest.LogCaptureFixture
) -> None:
    def wake() -> None:
        raise OSError(CANARY)

    outside.app.extensions["billing"].wake_workers = wake

    status = outside.post(event(METHOD, type="payment_method.updated"))

    assert status == 200
    assert [row.state for row in rows(outside)] == ["pending"]
    assert "No worker could be woken: OSError." in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.concurrency
def test_deliveries_of_one_event_at_once_make_one_row(crowded: World) -> None:
    for number in range(10):
        body = event(METHOD, id=f"evt_{number}", type="payment_method.updated")

        statuses = at_once(crowded.app, *[lambda: crowded.post(body)] * 4)  # noqa: B023

        assert statuses == [200] * 4
    assert len(event_rows()) == 10


# Who has signed


@pytest.mark.parametrize("secrets", [[SECRET, OTHER_SECRET], f"{SECRET} {OTHER_SECRET}"])
def test_each_configured_secret_counts(
    sqlite_url: str, stripe_sandbox: Sandbox, secrets: Any
) -> None:
    world = World(
        make_app(sqlite_url, stripe_sandbox, STRIPE_WEBHOOK_SECRET=secrets), stripe_sandbox
    )

    statuses = [
        world.post(event(METHOD, id=f"evt_{number}"), secret=secret)
        for number, secret in enumerate([SECRET, OTHER_SECRET, "whsec_third", "whsec_", ""])
    ]

    assert statuses == [200, 200, 400, 400, 400]
    assert [row.stripe_id for row in rows(world)] == ["evt_0", "evt_1"]


@pytest.mark.parametrize("nothing", [None, "", [], " , "])
def test_without_a_secret_nothing_is_accepted(
    sqlite_url: str, stripe_sandbox: Sandbox, caplog: pytest.LogCaptureFixture, nothing: Any
) -> None:
    app = make_app(sqlite_url, stripe_sandbox, STRIPE_WEBHOOK_SECRET=nothing, DEBUG=True)
    world = World(app, stripe_sandbox)

    statuses = {world.post(event(METHOD), secret=secret) for secret in (SECRET, "", "whsec_")}

    assert statuses == {503}
    assert "STRIPE_WEBHOOK_SECRET is not set" in caplog.text
    assert rows(world) == []


def test_while_billing_is_off_the_answer_is_501(sqlite_url: str, stripe_sandbox: Sandbox) -> None:
    world = World(make_app(sqlite_url, stripe_sandbox, STRIPE_SECRET_KEY=None), stripe_sandbox)

    assert world.post(event(METHOD)) == 501
    assert rows(world) == []


@pytest.mark.parametrize("live", [True, False])
def test_event_of_the_other_mode_is_refused(
    sqlite_url: str, stripe_sandbox: Sandbox, live: bool
) -> None:
    key = {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_BASE": None} if live else {}
    world = World(make_app(sqlite_url, stripe_sandbox, **key), stripe_sandbox)

    other = world.post(event(METHOD, livemode=not live))
    own = world.post(event(METHOD, livemode=live, id="evt_2"))

    assert (other, own) == (400, 200)
    assert [row.stripe_id for row in rows(world)] == ["evt_2"]


@pytest.mark.parametrize(("shift", "status"), [(-290, 200), (290, 200), (-310, 400), (310, 400)])
def test_signature_is_of_this_moment(outside: World, shift: int, status: int) -> None:
    body = written(event(METHOD))

    assert post(outside, body, header(body, at=time.time() + shift)) == status
    assert len(rows(outside)) == (status == 200)


def test_one_right_signature_of_several_counts(outside: World) -> None:
    body = written(event(METHOD))
    wrong, right, now = "0" * 64, signature(body), int(time.time())

    assert post(outside, body, f"t={now},v1={wrong},v1={right},v0={wrong}") == 200


BODY = written(event(METHOD))
NOW = int(time.time())
RIGHT = signature(BODY, at=NOW)
FORGED = {
    "none": "",
    "no time": f"v1={RIGHT}",
    "no signature": f"t={NOW}",
    "test scheme": f"t={NOW},v0={RIGHT}",
    "wrong": f"t={NOW},v1={'0' * 64}",
    "not ASCII": f"t={NOW},v1=\xff\xfe",
    "other time": f"t={NOW - 1},v1={RIGHT}",
    "old time first": f"t=1,t={NOW},v1={RIGHT}",
    "no number": f"t=now,v1={RIGHT}",
    "endless number": f"t={'9' * 5000},v1={RIGHT}",
    "negative": f"t=-{NOW},v1={RIGHT}",
    "other digits": f"t=\xb2,v1={RIGHT}",
    "empty parts": ",,=,==,t=,v1=",
    "of another secret": header(BODY, "whsec_third"),
    "of an empty secret": header(BODY, ""),
    "of another body": header(b"{}"),
}


@pytest.mark.parametrize("signed", FORGED.values(), ids=FORGED.keys())
def test_forged_signature_is_refused_without_a_row(outside: World, signed: str) -> None:
    assert post(outside, BODY, signed) == 400
    assert rows(outside) == []


def test_missing_and_repeated_headers_are_refused(outside: World) -> None:
    client = outside.app.test_client()
    twice = [("Stripe-Signature", "t=1,v1=0"), ("Stripe-Signature", "t=2,v1=0")]

    assert client.post(PATH, data=BODY).status_code == 400
    assert client.post(PATH, data=BODY, headers=twice).status_code == 400
    assert rows(outside) == []


# What is no event

_LONG = b"9" * 5000
MALFORMED: dict[str, bytes] = {
    "empty": b"",
    "no text": b"\xff\xfe\x00",
    "null": b"null",
    "list": b"[]",
    "text": b'"evt_1"',
    "cut off": BODY[:-2],
    "byte order mark": b"\xef\xbb\xbf" + BODY,
    "deep list": b"[" * 200_000,
    "deep list that ends": b"[" * 200_000 + b"]" * 200_000,
    "deep object": b'{"a":' * 150_000,
    "deep object in an event": BODY[:-1] + b',"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "NaN": written(event(METHOD, created=float("nan"))),
    "infinity": written(event(METHOD | {"x": float("inf")})),
    "huge number": BODY.replace(b"1796083199", _LONG),
    "huge number elsewhere": BODY[:-1] + b',"x":' + _LONG + b"}",
    "late": written(event(METHOD, created=10**12)),
    "early": written(event(METHOD, created=-1)),
    "truth for a number": written(event(METHOD, created=True)),
    "NUL in the id": written(event(METHOD, id="evt_1\0")),
    "NUL in the type": written(event(METHOD, type="customer.\0")),
    "NUL in the object": written(event(METHOD | {"id": "pm_\0"})),
    "NUL in the account": written(event(METHOD, account="acct_\0")),
    "surrogate in the id": written(event(METHOD, id="evt_\ud800")),
    "surrogate in the type": written(event(METHOD, type="\ud800")),
    "surrogate in the object": written(event(METHOD | {"id": "\ud800"})),
    "surrogate in the version": written(event(METHOD, api_version="\udfff")),
    "long id": written(event(METHOD, id=f"evt_{'x' * 300}")),
    "long type": written(event(METHOD, type="x" * 101)),
    "long account": written(event(METHOD, account="x" * 300)),
    "no mode": written({k: v for k, v in event(METHOD).items() if k != "livemode"}),
    "mode as text": written(event(METHOD, livemode="false")),
    "no object": written(event(None)),
    "object as text": written(event("pm_1")),
    "thin": written(
        {
            "id": "evt_test_65R",
            "object": "v2.core.event",
            "type": "v1.billing.meter.error_report_triggered",
            "livemode": False,
            "created": "2026-11-01T00:00:00.000Z",
            "related_object": {"id": "mtr_1", "type": "billing.meter", "url": "/v1/x"},
        }
    ),
    "other object": written(event(METHOD, object="customer")),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
def test_signed_body_that_is_no_event_is_refused_without_a_row(outside: World, body: bytes) -> None:
    assert post(outside, body) == 400
    assert rows(outside) == []


@pytest.mark.parametrize("thing", [{"id": CANARY + "\ud800"}, {"name": "\0\ud800"}])
def test_what_is_not_kept_of_an_object_need_not_be_storable(
    outside: World, thing: dict[str, str]
) -> None:
    status = outside.post(event(METHOD | {"customer": thing}))

    assert status == 200
    assert [row.customer_id for row in rows(outside)] == [None]


def test_refusal_says_why_and_repeats_nothing(
    outside: World, caplog: pytest.LogCaptureFixture
) -> None:
    body = written({CANARY: CANARY})
    headers = {"Stripe-Signature": header(body)}

    answer = outside.app.test_client().post(PATH, data=body, headers=headers)

    assert answer.text == "This notification is refused (malformed).\n"
    assert answer.mimetype == "text/plain"
    assert "refused (malformed)" in caplog.text
    assert CANARY not in caplog.text


# How much, and over the wire


def padded(length: int) -> bytes:
    body = written(event(METHOD))
    return body + b" " * (length - len(body))


@pytest.mark.parametrize(("length", "status"), [(1_048_576, 200), (1_048_577, 413)])
def test_body_is_as_long_as_the_setting_allows(outside: World, length: int, status: int) -> None:
    assert post(outside, padded(length)) == status
    assert len(rows(outside)) == (status == 200)


@pytest.mark.parametrize("host_limit", [1_000, None, 10**9])
def test_limit_of_the_host_does_not_count_here(
    sqlite_url: str, stripe_sandbox: Sandbox, host_limit: int | None
) -> None:
    app = make_app(
        sqlite_url,
        stripe_sandbox,
        MAX_CONTENT_LENGTH=host_limit,
        BILLING_WEBHOOK_MAX_BYTES=65_536,
    )
    world = World(app, stripe_sandbox)

    assert post(world, padded(65_536)) == 200
    assert post(world, padded(65_537)) == 413


def send(
    url: str, chunks: list[bytes], body: bytes, *, length: int | None = None
) -> http.client.HTTPResponse:
    """Send a body in chunks, or with a length of one's own choice."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.putrequest("POST", PATH)
    connection.putheader("Stripe-Signature", header(body))
    if length is None:
        connection.putheader("Transfer-Encoding", "chunked")
    else:
        connection.putheader("Content-Length", str(length))
    connection.endheaders()
    try:
        for chunk in chunks:
            connection.send(chunk)
        connection.sock.shutdown(1)
        answer = connection.getresponse()
        answer.read()
        return answer
    finally:
        connection.close()


def chunk(part: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(part), part)


def test_body_without_a_length_is_read_and_limited(outside: World) -> None:
    small, big = padded(2_000), padded(2_000_000)
    parts = [big[place : place + 100_000] for place in range(0, len(big), 100_000)]

    with serving(outside.app) as url:
        taken = send(url, [chunk(small[:9]), chunk(small[9:]), b"0\r\n\r\n"], small)
        refused = send(url, [chunk(part) for part in parts[:11]], big)

    assert taken.status == 200
    assert refused.status == 413
    assert len(rows(outside)) == 1


def test_body_without_a_length_is_as_long_as_the_setting_allows(outside: World) -> None:
    most = 1_048_576
    bodies = [padded(length) for length in (most, most + 1, 3 * most)]

    statuses = []
    for body in bodies:
        stream = BytesIO(body)
        answer = outside.app.test_client().post(
            PATH,
            input_stream=stream,
            headers={"Stripe-Signature": header(body), "Transfer-Encoding": "chunked"},
            # As servers say that the stream ends by itself.
            environ_overrides={"wsgi.input_terminated": True},
        )
        statuses.append((answer.status_code, stream.tell() <= most + 1))
        answer.close()

    assert statuses == [(200, True), (413, True), (413, True)]
    assert len(rows(outside)) == 1


def test_body_that_breaks_off_is_refused(outside: World) -> None:
    body = padded(2_000)

    with serving(outside.app) as url:
        short = send(url, [body[:900]], body, length=2_000)
        nonsense = send(url, [b"zz\r\n" + body], body)

    assert (short.status, nonsense.status) == (400, 400)
    assert rows(outside) == []


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", None, "\xff"]
)
def test_content_type_does_not_matter(outside: World, kind: str | None) -> None:
    assert post(outside, BODY, header(BODY), content_type=kind) == 200


def test_only_post_is_answered(outside: World) -> None:
    client = outside.app.test_client()

    for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH"):
        assert client.open(PATH, method=method).status_code == 405


# When the database does not take it


def test_event_is_not_lost_while_the_database_is_in_trouble(
    sqlite_url: str, stripe_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    app = create_app(
        sqlite_url, STRIPE_SECRET_KEY="sk_test_1", STRIPE_WEBHOOK_SECRET=SECRET, TESTING=False
    )
    world = World(app, stripe_sandbox)
    body = event(METHOD, type="payment_method.updated")

    while_down = world.post(body)
    with app.app_context():
        db.create_all()
    resent = world.post(body)

    assert (while_down, resent) == (503, 200)
    assert [row.state for row in rows(world)] == ["pending"]
    assert "could not be stored: OperationalError" in caplog.text
    assert "pm_1" not in caplog.text


def test_refusal_of_the_database_is_not_taken_for_a_duplicate(
    crowded: World, caplog: pytest.LogCaptureFixture
) -> None:
    is_postgresql = db.engine.dialect.name == "postgresql"
    change = "ALTER account_id SET" if is_postgresql else "MODIFY account_id varchar(255)"
    db.session.execute(text(f"ALTER TABLE billing_event {change} NOT NULL"))
    db.session.commit()

    statuses = [
        crowded.post(event(METHOD, id=f"evt_{number}", account=account))
        for number, account in enumerate([None, "acct_1"])
    ]

    assert statuses == [503, 200]
    assert [row.stripe_id for row in event_rows()] == ["evt_1"]
    assert "A webhook could not be stored: IntegrityError." in caplog.text
    assert "pm_1" not in caplog.text


# Beside the host's other extensions


@pytest.mark.parametrize("order", ["before", "after"])
def test_csrf_protection_stops_pages_and_not_the_processor(
    sqlite_url: str, stripe_sandbox: Sandbox, order: str
) -> None:
    with csrf_protected(sqlite_url, stripe_sandbox, order) as world:
        webhook = world.post(event(METHOD))
        page = world.app.test_client().post("/projects/1/billing/payment-methods")

        assert webhook == 200
        assert page.status_code == 400
        assert "CSRF" in page.text


def test_csrf_protection_that_the_host_starts_itself_can_leave_the_webhook_out(
    sqlite_url: str, stripe_sandbox: Sandbox
) -> None:
    with csrf_protected(sqlite_url, stripe_sandbox, "after", WTF_CSRF_CHECK_DEFAULT=False) as world:
        protection = world.app.extensions["csrf"]

        @world.app.before_request
        def protect() -> None:
            if request.endpoint != "billing.webhook":
                protection.protect()

        assert world.post(event(METHOD)) == 200
        assert world.app.test_client().post("/projects/1/billing/details").status_code == 400


@contextmanager
def csrf_protected(url: str, sandbox: Sandbox, order: str, **config: Any) -> Iterator[World]:
    """A host with CSRF protection that was initialised before or after billing."""
    app = Flask(__name__)
    app.config.update(
        HOST_CAN_MANAGE=True,
        SECRET_KEY="a secret of the tests",
        SQLALCHEMY_DATABASE_URI=url,
        STRIPE_SECRET_KEY=sandbox.secret_key,
        STRIPE_API_BASE=sandbox.url,
        STRIPE_WEBHOOK_SECRET=SECRET,
        **config,
    )
    db.init_app(app)
    for extension in (CSRFProtect(), billing) if order == "before" else (billing, CSRFProtect()):
        extension.init_app(app)
    with app.app_context():
        db.create_all()
    yield World(app, sandbox)


def test_host_tells_the_webhook_by_its_endpoint(outside: World) -> None:
    @outside.app.before_request
    def sign_in() -> tuple[str, int] | None:
        if request.endpoint == "billing.webhook" or "user" in session:
            return None
        return "Sign in.", 401

    assert outside.post(event(METHOD)) == 200
    assert outside.app.test_client().get("/projects/1/billing").status_code == 401


@pytest.mark.parametrize("path", ["/hooks/stripe", "/hooks/stripe/"])
def test_path_is_the_settings(sqlite_url: str, stripe_sandbox: Sandbox, path: str) -> None:
    world = World(make_app(sqlite_url, stripe_sandbox, BILLING_WEBHOOK_PATH=path), stripe_sandbox)
    client = world.app.test_client()
    headers = {"Stripe-Signature": header(BODY)}

    statuses = [
        client.post(at, data=BODY, headers=headers).status_code
        for at in ("/hooks/stripe", "/hooks/stripe/", PATH)
    ]

    assert statuses == [200, 200, 404]


def test_webhook_leaves_no_session_and_no_cookie(outside: World) -> None:
    headers = {"Stripe-Signature": header(BODY)}

    answer = outside.app.test_client().post(PATH, data=BODY, headers=headers)

    assert "Set-Cookie" not in answer.headers
    assert answer.text == "Stored.\n"


def test_stored_event_is_beside_what_the_host_has_not_committed(world: World) -> None:
    project = world.project()
    project.name = "changed"

    events.store(made_up())

    assert project.name == "changed"
    assert project in db.session.dirty


def test_store_works_on_a_connection_that_the_host_gave_to_its_session(
    postgresql_url: str, stripe_sandbox: Sandbox
) -> None:
    """As Flask-SQLAlchemy tells hosts to do in tests, to roll everything back in the end."""
    with make_app(postgresql_url, stripe_sandbox).app_context():
        engine = db.engine
        with engine.connect() as connection, connection.begin() as outer:
            db.engines[None] = connection  # type: ignore[assignment]
            for number in (1, 1, 2):
                events.store(made_up(number))
            kept = len(event_rows())
            db.session.remove()
            outer.rollback()
        db.engines[None] = engine

        assert kept == 2
        assert event_rows() == []


def test_json_may_be_written_in_any_way(outside: World) -> None:
    bodies = [
        json.dumps(event(METHOD, id=f"evt_{number}"), **how).encode()
        for number, how in enumerate(
            ({"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False})
        )
    ]

    assert [post(outside, body) for body in bodies] == [200] * 3
