"""An idempotency key is answered once, as Stripe's rules say."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import stripe

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox

    MakeClient = Callable[..., stripe.StripeClient]

KEY = {"idempotency_key": "key-1"}
DECLINED = {
    "amount": 500,
    "currency": "usd",
    "confirm": True,
    "off_session": True,
    "payment_method": "pm_card_visa_chargeDeclined",
}


def test_same_key_replays_the_first_answer(client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"name": "Ada"}, KEY)
    second = client.v1.customers.create({"name": "Ada"}, KEY)

    assert second.to_dict() == first.to_dict()
    assert second.last_response is not None
    assert second.last_response.headers["idempotent-replayed"] == "true"
    assert len(client.v1.customers.list().data) == 1


def test_answer_is_replayed_as_it_was_then(client: stripe.StripeClient) -> None:
    first = client.v1.customers.create({"name": "Ada"}, KEY)
    client.v1.customers.update(first.id, {"name": "Grace"})

    assert client.v1.customers.create({"name": "Ada"}, KEY).name == "Ada"


@pytest.mark.parametrize(("path", "params"), [("customers", {"name": "x"}), ("setup_intents", {})])
def test_same_key_with_another_request_is_refused(
    client: stripe.StripeClient, path: str, params: dict[str, str]
) -> None:
    client.v1.customers.create({"name": "Ada"}, KEY)

    with pytest.raises(stripe.IdempotencyError):
        client.raw_request("post", f"/v1/{path}", **params, **KEY)


def test_decline_is_replayed_and_a_new_key_tries_again(client: stripe.StripeClient) -> None:
    ids = []
    for key in ("key-1", "key-1", "key-2"):
        with pytest.raises(stripe.CardError) as declined:
            client.v1.payment_intents.create(DECLINED, {"idempotency_key": key})
        ids.append(declined.value.error.payment_intent.id)

    assert ids[0] == ids[1] != ids[2]


def test_server_error_is_replayed(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    stripe_sandbox.fail("POST /v1/customers", how="error_500")

    for _ in range(2):
        with pytest.raises(stripe.APIError) as failed:
            client.v1.customers.create({}, KEY)
        assert failed.value.http_status == 500

    assert client.v1.customers.list().data == []


def test_refused_request_leaves_its_key_free(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"email": "wrong"}, KEY)

    assert client.v1.customers.create({"email": "a@example.com"}, KEY).email == "a@example.com"


def test_rate_limited_request_leaves_its_key_free(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.fail("POST /v1/customers", how="rate_limit")
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.create({}, KEY)

    assert client.v1.customers.create({}, KEY).id


def test_key_is_in_use_while_its_request_runs(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, make_client: MakeClient
) -> None:
    stripe_sandbox.fail("POST /v1/customers", how="slow", seconds=0.5)
    other = make_client(stripe_sandbox)

    with ThreadPoolExecutor() as pool:
        slow = pool.submit(client.v1.customers.create, {}, KEY)
        while not len(stripe_sandbox.requests):
            pass
        with pytest.raises(stripe.APIError) as conflict:
            other.v1.customers.create({}, KEY)

    assert conflict.value.http_status == 409
    assert conflict.value.error is not None
    assert conflict.value.error.code == "idempotency_key_in_use"
    assert other.v1.customers.create({}, KEY).id == slow.result().id


def test_keys_are_forgotten_a_day_later(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.clock.freeze()
    first = client.v1.customers.create({}, KEY)
    stripe_sandbox.advance(24 * 3600 - 1)
    replayed = client.v1.customers.create({}, KEY)
    stripe_sandbox.advance(1)

    assert replayed.id == first.id
    assert client.v1.customers.create({}, KEY).id != first.id


def test_keys_belong_to_a_mode(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, make_client: MakeClient
) -> None:
    live = make_client(stripe_sandbox, "sk_live_sandbox")

    assert client.v1.customers.create({}, KEY).id != live.v1.customers.create({}, KEY).id


def test_too_long_key_is_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({}, {"idempotency_key": "k" * 256})
