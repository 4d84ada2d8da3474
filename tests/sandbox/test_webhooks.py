"""Events reach the endpoints that want them, signed, and are tried again as Stripe does."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import pytest
import stripe

from flask_billing.sandbox import DEFAULT_WEBHOOK_SECRET, Sandbox
from tests.sandbox.receiving import SECRET, receiving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.sandbox.receiving import Receiver

    MakeClient = Callable[..., stripe.StripeClient]


def test_event_arrives_as_the_api_gives_it(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    customer = client.v1.customers.create({"name": "Ada Löwe"}, {"idempotency_key": "key-1"})

    (attempt,) = stripe_sandbox.webhooks.deliver()

    (body,) = receiver.bodies
    found = client.v1.events.retrieve(attempt.event_id).to_dict()
    assert body == {**found, "pending_webhooks": 1}
    assert body["data"]["object"]["id"] == customer.id
    assert body["data"]["object"]["name"] == "Ada Löwe"
    assert body["api_version"] == stripe.api_version
    assert body["request"]["idempotency_key"] == "key-1"
    assert body["request"]["id"].startswith("req_")
    assert (attempt.event_type, attempt.status, attempt.attempt) == ("customer.created", 200, 1)
    assert attempt.delivered


def test_nothing_is_sent_before_it_is_asked_for_and_nothing_twice(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    client.v1.customers.create({})
    client.v1.customers.create({})
    before, waiting = list(receiver.types), stripe_sandbox.webhooks.pending

    stripe_sandbox.webhooks.deliver()
    again = stripe_sandbox.webhooks.deliver()

    assert (before, waiting) == ([], 2)
    assert receiver.types == ["customer.created"] * 2
    assert again == []
    assert stripe_sandbox.webhooks.pending == 0


def test_event_that_was_taken_back_is_not_sent(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    with pytest.raises(stripe.CardError):
        client.v1.customers.create({"payment_method": "pm_card_visa_chargeDeclined"})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"tax_id_data": [{"type": "eu_vat", "value": "x"}]})

    stripe_sandbox.webhooks.deliver()

    kept = [event.type for event in client.v1.events.list().data]
    assert receiver.types == kept[::-1]
    assert len(kept) <= 1


def test_only_endpoints_that_want_an_event_get_it(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    with receiving() as picky, receiving() as off, receiving() as connected, receiving() as live:
        hooks.register(picky.url, SECRET, enabled_events=["customer.deleted"])
        made = hooks.register(off.url, SECRET)
        client.v1.webhook_endpoints.update(made["id"], {"disabled": True})
        client.v1.webhook_endpoints.create(
            {"url": connected.url, "enabled_events": ["*"], "connect": True}
        )
        hooks.register(live.url, SECRET, livemode=True)
        customer = client.v1.customers.create({})
        client.v1.customers.delete(customer.id)

        hooks.deliver()

        assert receiver.types == ["customer.created", "customer.deleted"]
        assert picky.types == ["customer.deleted"]
        assert off.bodies == connected.bodies == live.bodies == []
        assert connected.refused == []


def test_pending_webhooks_count_what_was_not_taken_yet(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.retry_delays = ()
    with receiving() as second:
        hooks.register(second.url, SECRET)
        second.answers = [500]
        client.v1.customers.create({})
        client.v1.customers.create({})
        counts = [event.pending_webhooks for event in client.v1.events.list().data]

        hooks.deliver()

    after = [event.pending_webhooks for event in client.v1.events.list().data]
    missed = client.v1.events.list({"delivery_success": False}).data
    arrived = client.v1.events.list({"delivery_success": True}).data
    assert counts == [2, 2]
    assert after == [0, 1]
    assert [event.pending_webhooks for event in missed] == [1]
    assert [event.pending_webhooks for event in arrived] == [0]


@pytest.mark.parametrize("status", [201, 204, 299])
def test_any_success_is_one(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver, status: int
) -> None:
    receiver.answers = [status]
    client.v1.customers.create({})

    stripe_sandbox.webhooks.deliver_all()

    assert [a.status for a in stripe_sandbox.webhooks.log] == [status]


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500, 503])
def test_what_is_no_success_is_tried_again(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver, status: int
) -> None:
    hooks = stripe_sandbox.webhooks
    stripe_sandbox.clock.freeze()
    hooks.retry_delays = (5, 60)
    receiver.answers = [status, status]
    client.v1.customers.create({})

    counts = [len(hooks.deliver())]
    for seconds in (4, 1, 59, 1):
        stripe_sandbox.advance(seconds)
        counts.append(len(hooks.deliver()))

    log = list(hooks.log)
    assert counts == [1, 0, 1, 0, 1]
    assert [(a.attempt, a.status) for a in log] == [(1, status), (2, status), (3, 200)]
    assert len({a.event_id for a in log}) == 1
    assert len(receiver.types) == 3


def test_event_is_given_up_after_the_last_try(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.retry_delays = (10, 20)
    receiver.answers = [500] * 9
    client.v1.customers.create({})

    made = hooks.deliver_all()

    assert [a.status for a in made] == [500] * 3
    assert hooks.pending == 0
    assert len(client.v1.events.list({"delivery_success": False}).data) == 1


def test_failed_event_does_not_block_those_after_it(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    receiver.answers = [500]
    first, second = client.v1.customers.create({}), client.v1.customers.create({})

    stripe_sandbox.webhooks.deliver_all()

    ids = [body["data"]["object"]["id"] for body in receiver.bodies]
    assert ids == [first.id, second.id, first.id]


def test_endpoint_that_hangs_or_is_absent_costs_a_try(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.retry_delays, hooks.time_limit = (), 0.2
    with socket.create_server(("127.0.0.1", 0)) as silent:
        hooks.register(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        hooks.register("http://127.0.0.1:1/")
        hooks.register("http://127.0.0.1:99999/")
        hooks.register("http://127.0.0.1/straße")
        hooks.register("https://host.test/")
        client.v1.customers.create({})

        made = hooks.deliver()

    assert [(a.status, a.error) for a in made] == [
        (None, "timeout"),
        *[(None, "connection")] * 3,
        (None, "not_local"),
    ]
    assert client.v1.events.list().data[0].pending_webhooks == 5


def test_disabled_or_deleted_endpoint_gets_nothing_more(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    endpoint = client.v1.webhook_endpoints.list().data[0].id
    client.v1.customers.create({})
    client.v1.webhook_endpoints.update(endpoint, {"disabled": True})
    stripe_sandbox.webhooks.deliver()
    client.v1.webhook_endpoints.update(endpoint, {"disabled": False})
    client.v1.customers.create({})
    client.v1.webhook_endpoints.delete(endpoint)

    made = stripe_sandbox.webhooks.deliver()

    assert made == []
    assert receiver.bodies == []
    assert stripe_sandbox.webhooks.pending == 0


def test_resent_event_arrives_again_and_at_endpoints_that_are_new(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    client.v1.customers.create({})
    event = hooks.deliver()[0].event_id
    with receiving() as new:
        hooks.register(new.url, SECRET)

        queued = hooks.resend(event)
        pending = client.v1.events.retrieve(event).pending_webhooks
        hooks.deliver()

        assert queued == 2
        assert pending == 1
        assert [body["id"] for body in receiver.bodies] == [event, event]
        assert [body["id"] for body in new.bodies] == [event]
    assert client.v1.events.retrieve(event).pending_webhooks == 0
    assert [a.attempt for a in hooks.log.of(event)] == [1, 1, 1]


def test_unknown_event_cannot_be_resent(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    customer = client.v1.customers.create({})

    for unknown in ("evt_missing", customer.id):
        with pytest.raises(LookupError, match="There is no event"):
            stripe_sandbox.webhooks.resend(unknown)


def test_what_falls_due_by_itself_is_sent_without_a_request(
    stripe_sandbox: Sandbox,
    receiver: Receiver,
    setup_session: Callable[..., stripe.checkout.Session],
) -> None:
    setup_session()
    stripe_sandbox.webhooks.deliver()
    stripe_sandbox.advance(25 * 3600)

    stripe_sandbox.webhooks.deliver()

    assert receiver.types[-2:] == ["setup_intent.canceled", "checkout.session.expired"]
    assert receiver.bodies[-1]["request"] == {"id": None, "idempotency_key": None}
    assert receiver.refused == []


def test_endpoint_may_ask_the_api_while_it_is_sent_to(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    def rename(event: dict[str, object]) -> None:
        if event["type"] == "customer.created":
            client.v1.customers.update(customer.id, {"name": "Ada"})

    receiver.meanwhile = rename
    customer = client.v1.customers.create({})

    stripe_sandbox.webhooks.deliver_all()

    assert receiver.types == ["customer.created", "customer.updated"]


# In the background


def test_started_sandbox_sends_by_itself_and_tries_again(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.retry_delays = (0.05,)
    receiver.answers = [500]
    hooks.start()

    client.v1.customers.create({})
    first = hooks.wait()
    client.v1.customers.create({})
    second = hooks.wait()

    assert (first, second) == (True, True)
    assert [a.status for a in hooks.log] == [500, 200, 200]


def test_several_threads_send_each_event_once(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    made = {client.v1.customers.create({}).id for _ in range(30)}

    stripe_sandbox.webhooks.start(threads=4)

    assert stripe_sandbox.webhooks.wait()
    sent = [body["data"]["object"]["id"] for body in receiver.bodies]
    assert sorted(sent) == sorted(made)


def test_sending_stops_and_starts_again(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    before = set(threading.enumerate())
    hooks.start()
    hooks.start()
    hooks.stop()
    after = set(threading.enumerate())
    client.v1.customers.create({})
    in_time = hooks.wait(timeout=0.05)

    hooks.start()

    assert after <= before | set(threading.enumerate())
    assert [t for t in after if t.name.startswith("sandbox-webhooks")] == []
    assert not in_time
    assert hooks.wait()
    assert receiver.types == ["customer.created"]


def test_end_of_a_sandbox_breaks_off_what_is_being_sent(make_client: MakeClient) -> None:
    before = set(threading.enumerate())
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with Sandbox() as sandbox:
            sandbox.webhooks.time_limit = 60
            sandbox.webhooks.register(f"http://127.0.0.1:{silent.getsockname()[1]}/")
            sandbox.webhooks.start()
            make_client(sandbox).v1.customers.create({})
            connection, _ = silent.accept()
            begun = time.monotonic()
        connection.close()

    assert time.monotonic() - begun < 10
    assert set(threading.enumerate()) <= before


def test_what_was_not_sent_survives_a_restart(tmp_path: Path, make_client: MakeClient) -> None:
    database = str(tmp_path / "sandbox.sqlite3")
    with receiving() as receiver:
        with Sandbox(database) as sandbox:
            sandbox.webhooks.register(receiver.url, SECRET)
            make_client(sandbox).v1.customers.create({})
            # Ended in the middle of sending.
            sandbox.engine.store.execute("UPDATE delivery SET state = 'sending'")

        with Sandbox(database) as sandbox:
            sandbox.webhooks.deliver()

        assert receiver.types == ["customer.created"]


def test_reset_forgets_endpoints_deliveries_and_settings(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    usual = (hooks.retry_delays, hooks.time_limit)
    hooks.retry_delays, hooks.time_limit, hooks.seed = (), 1, 7
    hooks.disturb("drop")
    client.v1.customers.create({})
    hooks.deliver()
    client.v1.customers.create({})

    stripe_sandbox.reset()
    client.v1.customers.create({})

    assert hooks.deliver() == []
    assert (hooks.pending, len(hooks.log), hooks.dropped, hooks.seed) == (0, 0, [], 0)
    assert (hooks.retry_delays, hooks.time_limit) == usual
    assert client.v1.webhook_endpoints.list().data == []


def test_command_feeds_an_endpoint_and_ends_cleanly(make_client: MakeClient) -> None:
    with receiving() as receiver:
        arguments = ["--port", "0", "--webhook-url", receiver.url, "--webhook-secret", SECRET]
        with subprocess.Popen(
            [sys.executable, "-m", "flask_billing.sandbox", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            client = stripe.StripeClient("sk_test_a", base_addresses={"api": url})
            client.v1.customers.create({})
            deadline = time.monotonic() + 10
            while not receiver.bodies and time.monotonic() < deadline:
                time.sleep(0.01)
            process.send_signal(2)
            _, errors = process.communicate(timeout=20)

        assert receiver.types == ["customer.created"]
    assert (process.returncode, errors) == (0, "")


def test_command_refuses_an_endpoint_elsewhere() -> None:
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "flask_billing.sandbox", "--port", "0"),
            *("--webhook-url", "http://host.test/"),
        ],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )

    assert ended.returncode == 2
    assert "must use https" in ended.stderr
    assert DEFAULT_WEBHOOK_SECRET not in ended.stderr
