"""Deliveries go wrong where a test asks for it, in the same way for the same seed."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from flask_billing.sandbox.webhooks.disturbances import WAYS

if TYPE_CHECKING:
    import requests
    import stripe

    from flask_billing.sandbox import Sandbox
    from tests.sandbox.receiving import Receiver


def create_customers(client: stripe.StripeClient, count: int) -> list[str]:
    return [client.v1.customers.create({"name": str(n)}).id for n in range(count)]


def names(receiver: Receiver) -> list[str]:
    return [body["data"]["object"]["name"] for body in receiver.bodies]


def test_each_nth_event_is_sent_twice(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.webhooks.disturb("duplicate", every=2)
    create_customers(client, 4)

    stripe_sandbox.webhooks.deliver()

    assert names(receiver) == ["0", "1", "1", "2", "3", "3"]
    assert (
        receiver.bodies[1] == receiver.bodies[2]
        or receiver.bodies[1]["id"] == (receiver.bodies[2]["id"])
    )
    assert [a.how for a in stripe_sandbox.webhooks.log].count("duplicate") == 2


def test_copy_can_arrive_at_the_same_time(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    both_are_here = threading.Barrier(2, timeout=5)
    receiver.meanwhile = lambda _: both_are_here.wait()
    stripe_sandbox.webhooks.disturb("overlap")
    create_customers(client, 1)

    made = stripe_sandbox.webhooks.deliver()

    assert names(receiver) == ["0", "0"]
    assert [(a.status, a.how) for a in made] == [(200, None), (200, "overlap")]


def test_waiting_events_are_shuffled_as_the_seed_says(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    orders = []
    for seed in (1, 1, 2):
        hooks.seed = seed
        receiver.bodies.clear()
        create_customers(client, 8)
        hooks.reorder()
        hooks.deliver()
        orders.append(names(receiver))

    assert orders[0] == orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])
    assert sorted(orders[0]) == [str(n) for n in range(8)]


def test_delayed_event_comes_after_those_that_followed_it(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    stripe_sandbox.clock.freeze()
    hooks.disturb("delay", seconds=30, times=1)
    create_customers(client, 3)

    hooks.deliver()
    in_time = names(receiver)
    stripe_sandbox.advance(29)
    hooks.deliver()
    still = names(receiver)
    stripe_sandbox.advance(1)
    hooks.deliver()

    assert in_time == still == ["1", "2"]
    assert names(receiver) == ["1", "2", "0"]
    assert [a.attempt for a in hooks.log] == [1, 1, 1]


def test_dropped_event_comes_when_it_is_resent_only(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.disturb("drop", types="customer.*", every=2)
    create_customers(client, 3)

    hooks.deliver_all()
    arrived = names(receiver)
    (dropped,) = hooks.dropped
    missed = [e.id for e in client.v1.events.list({"delivery_success": False}).data]
    hooks.resend(dropped)
    hooks.deliver_all()

    assert arrived == ["0", "2"]
    assert missed == [dropped]
    assert names(receiver) == ["0", "2", "1"]
    assert [(a.status, a.how) for a in hooks.log.of(dropped)] == [(None, "drop"), (200, None)]
    assert hooks.dropped == []
    assert hooks.pending == 0
    assert client.v1.events.list({"delivery_success": False}).data == []


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ("bad_signature", "No signatures found matching"),
        ("missing_signature", "No Stripe-Signature header"),
        ("bad_body", "No signatures found matching"),
        ("old_timestamp", "Timestamp outside the tolerance zone"),
    ],
)
def test_forged_delivery_is_refused_and_the_true_one_follows(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    receiver: Receiver,
    how: str,
    reason: str,
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.disturb(how, times=1)
    create_customers(client, 1)

    made = hooks.deliver_all()

    assert [(a.status, a.how) for a in made] == [(400, how), (200, None)]
    assert len(receiver.refused) == 1
    assert reason in receiver.refused[0]
    assert names(receiver) == ["0"]


def test_timestamp_can_lie_in_the_future(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.webhooks.signing_time = lambda: 2_000_000_000.9
    stripe_sandbox.webhooks.disturb("future_timestamp", times=1)
    create_customers(client, 1)

    stripe_sandbox.webhooks.deliver()

    assert receiver.headers[0].startswith("t=2000003600,v1=")


def test_right_signature_can_stand_behind_a_wrong_one(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.webhooks.disturb("several_signatures")
    create_customers(client, 1)

    stripe_sandbox.webhooks.deliver()

    assert names(receiver) == ["0"]
    assert receiver.headers[0].count("v1=") == 2


def test_same_event_can_come_from_the_other_mode_as_well(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.webhooks.disturb("other_mode")
    create_customers(client, 1)

    made = stripe_sandbox.webhooks.deliver()

    assert [(body["livemode"]) for body in receiver.bodies] == [True, False]
    assert len({body["id"] for body in receiver.bodies}) == 1
    assert [a.how for a in made] == ["other_mode", None]


def test_moved_clock_of_the_sandbox_does_not_age_signatures(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.clock.freeze(1_500_000_000)
    create_customers(client, 1)

    stripe_sandbox.webhooks.deliver()

    assert receiver.bodies[0]["created"] == 1_500_000_000
    assert receiver.refused == []


def test_chances_are_drawn_from_the_seed(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.disturb("duplicate", chance=0.5)
    rounds = []
    for seed in (3, 3, 4):
        hooks.seed = seed
        receiver.bodies.clear()
        create_customers(client, 20)
        hooks.deliver()
        rounds.append(names(receiver))

    assert rounds[0] == rounds[1] != rounds[2]
    assert 20 < len(rounds[0]) < 40


def test_calm_lets_all_go_well_again(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    stripe_sandbox.webhooks.disturb("drop")
    stripe_sandbox.webhooks.calm()
    create_customers(client, 1)

    stripe_sandbox.webhooks.deliver()

    assert names(receiver) == ["0"]


def test_everything_at_once_loses_nothing(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, receiver: Receiver
) -> None:
    hooks = stripe_sandbox.webhooks
    hooks.seed = 11
    for how in WAYS:
        hooks.disturb(how, chance=0.3, seconds=5)
    hooks.retry_delays = (1,) * 30
    receiver.answers = [500] * 10
    made = create_customers(client, 40)

    hooks.reorder()
    threads = [threading.Thread(target=hooks.deliver_all) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    hooks.calm()
    for event in hooks.dropped:
        hooks.resend(event)
    hooks.deliver_all()

    true = [body for body in receiver.bodies if not body["livemode"]]
    assert {body["data"]["object"]["id"] for body in true} == set(made)
    assert hooks.pending == 0
    assert client.v1.events.list({"delivery_success": False}).data == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [({"how": "explode"}, "how must be one of"), ({"how": "drop", "every": 0}, "1 or more")],
)
def test_misspelt_trouble_is_an_error(
    stripe_sandbox: Sandbox, wrong: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        stripe_sandbox.webhooks.disturb(**wrong)


def test_webhooks_can_be_controlled_over_http(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    receiver: Receiver,
    browser: requests.Session,
) -> None:
    control = f"{stripe_sandbox.url}/_sandbox/webhooks"

    def post(path: str, **body: Any) -> Any:
        return browser.post(f"{control}/{path}", json=body).json()

    endpoint = post("endpoints", url=receiver.url, secret="whsec_other")
    post("endpoints", url=receiver.url, secret="whsec_of_the_test")
    post("settings", seed=5, retry_delays=[1, 2], time_limit=3)
    post("disturbances", how="drop", times=1)
    create_customers(client, 3)
    browser.delete(f"{control}/disturbances", json={})
    undisturbed = post("deliver")["attempts"]
    post("disturbances", how="drop", times=1)
    (customer,) = create_customers(client, 1)
    client.v1.customers.delete(customer)
    post("reorder")
    post("deliver", all=True)
    log = browser.get(f"{control}/log").json()
    (dropped,) = log["dropped"]

    assert endpoint["secret"] == "whsec_other"
    assert [a["status"] for a in undisturbed] == [200] * 3
    assert (log["pending"], len(log["attempts"])) == (0, 5)
    assert log["attempts"][0]["event_type"] == "customer.created"
    assert post(f"resend/{dropped}") == {"endpoints": 1}
    assert stripe_sandbox.webhooks.seed == 5
    assert stripe_sandbox.webhooks.retry_delays == (1.0, 2.0)
    assert stripe_sandbox.webhooks.time_limit == 3.0


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("webhooks/endpoints", {"url": "http://host.test/"}, 400),
        ("webhooks/disturbances", {"how": "explode"}, 400),
        ("webhooks/resend/evt_missing", {}, 404),
        ("payment_methods/pm_missing/update_automatically", {"exp_month": 1}, 400),
        ("payment_methods/pm_missing/update_automatically", {"colour": "red"}, 400),
    ],
)
def test_wrong_control_of_webhooks_says_what_is_wrong(
    stripe_sandbox: Sandbox,
    browser: requests.Session,
    path: str,
    body: dict[str, Any],
    status: int,
) -> None:
    answer = browser.post(f"{stripe_sandbox.url}/_sandbox/{path}", json=body)

    assert answer.status_code == status
    assert answer.json()["error"]
