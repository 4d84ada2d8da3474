"""Scripted trouble hits the n-th call of a kind, and time and latency can be set."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
import requests
import stripe

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox

    MakeClient = Callable[..., stripe.StripeClient]

CREATE = "POST /v1/customers"


def names(client: stripe.StripeClient) -> list[str | None]:
    return [customer.name for customer in client.v1.customers.list().data]


def test_fault_hits_the_nth_calls_of_its_kind_alone(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.fail(CREATE, how="error_500", nth=2, times=2)

    outcomes = []
    for number in range(4):
        try:
            client.v1.customers.create({"name": str(number)})
            outcomes.append("made")
        except stripe.APIError:
            outcomes.append("failed")
        client.v1.customers.list()

    assert outcomes == ["made", "failed", "failed", "made"]
    assert names(client) == ["3", "0"]


def test_refusal_can_be_any_error(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    stripe_sandbox.fail("POST /v1/customers/*", how="refuse", code="tax_id_invalid", param="value")
    customer = client.v1.customers.create({})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.update(customer.id, {"name": "x"})

    assert (refused.value.code, refused.value.param) == ("tax_id_invalid", "value")


@pytest.mark.parametrize(("how", "made"), [("timeout_before", []), ("timeout_after", ["Ada"])])
def test_timeout_is_silence_before_or_after_acting(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, how: str, made: list[str]
) -> None:
    stripe_sandbox.fail(CREATE, how=how)

    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.create({"name": "Ada"})

    assert names(client) == made


@pytest.mark.parametrize("how", ["timeout_before", "timeout_after"])
def test_retry_of_the_sdk_ends_in_one_customer(
    stripe_sandbox: Sandbox, make_client: MakeClient, how: str
) -> None:
    client = make_client(stripe_sandbox, retries=2)
    stripe_sandbox.fail(CREATE, how=how)

    client.v1.customers.create({"name": "Ada"})

    assert names(client) == ["Ada"]
    assert len(stripe_sandbox.requests.of(CREATE)) == 2


def test_server_error_can_come_after_acting(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.fail(CREATE, how="error_500_after")

    with pytest.raises(stripe.APIError):
        client.v1.customers.create({"name": "Ada"})

    assert names(client) == ["Ada"]


def test_slow_call_and_latency_take_their_time(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.fail(CREATE, how="slow", seconds=0.2)
    stripe_sandbox.latency = 0.1

    started = time.monotonic()
    client.v1.customers.create({})

    assert time.monotonic() - started >= 0.3


def test_misspelt_fault_is_an_error_of_the_test(stripe_sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="how must be one of"):
        stripe_sandbox.fail(CREATE, how="explode")
    with pytest.raises(ValueError, match="method and a path"):
        stripe_sandbox.fail("customers", how="slow")


def test_reset_forgets_everything(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    client.v1.customers.create({})
    stripe_sandbox.fail("GET /v1/customers", how="error_500", times=99)
    stripe_sandbox.latency = 5
    stripe_sandbox.advance(1_000_000)

    stripe_sandbox.reset()

    assert len(stripe_sandbox.requests) == 0
    assert client.v1.customers.list().data == []
    assert abs(stripe_sandbox.clock.now() - time.time()) < 5


def test_everything_can_be_controlled_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session
) -> None:
    control = f"{stripe_sandbox.url}/_sandbox"
    session = client.v1.checkout.sessions.create(
        {"mode": "setup", "currency": "usd", "success_url": "http://host.test/"}
    )

    done = browser.post(f"{control}/checkout/{session.id}/complete", json={})
    refused = browser.post(f"{control}/checkout/{session.id}/complete", json={})
    fault = browser.post(f"{control}/faults", json={"call": CREATE, "how": "rate_limit"})
    moved = browser.post(f"{control}/clock", json={"freeze": 1_900_000_000})
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.create({})
    made = client.v1.customers.create({})
    calls = browser.get(f"{control}/requests").json()["requests"]
    browser.post(f"{control}/reset", json={})

    assert done.json() == {"url": "http://host.test/"}
    assert "session" in refused.json()["errors"]
    assert fault.json() == {"ok": True}
    assert moved.json() == {"now": 1_900_000_000} == {"now": made.created}
    assert [call["path"] for call in calls] == ["/v1/checkout/sessions", *["/v1/customers"] * 2]
    assert client.v1.customers.list().data == []


def test_wrong_control_call_says_what_is_wrong(
    stripe_sandbox: Sandbox, browser: requests.Session
) -> None:
    control = f"{stripe_sandbox.url}/_sandbox"

    misspelt = browser.post(f"{control}/faults", json={"call": CREATE, "how": "explode"})
    form = browser.post(f"{control}/reset", data={})

    assert misspelt.status_code == 400
    assert "how must be one of" in misspelt.json()["error"]
    assert form.status_code == 415
