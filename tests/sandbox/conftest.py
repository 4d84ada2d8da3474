"""What the tests of the local Stripe ask for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
import stripe

from tests.sandbox.receiving import SECRET, Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from flask_billing.sandbox import Sandbox


@pytest.fixture
def make_client() -> Iterator[Callable[..., stripe.StripeClient]]:
    """Makes clients of the real SDK for a sandbox: `make_client(sandbox, key=…, retries=…)`."""
    opened: list[stripe.RequestsClient] = []

    def make(
        sandbox: Sandbox, key: str | None = None, retries: int = 0, **more: str
    ) -> stripe.StripeClient:
        opened.append(stripe.RequestsClient(timeout=(2, 10)))
        return stripe.StripeClient(
            key or sandbox.secret_key,
            base_addresses={"api": sandbox.url},
            http_client=opened[-1],
            max_network_retries=retries,
            **more,
        )

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(
    stripe_sandbox: Sandbox, make_client: Callable[..., stripe.StripeClient]
) -> stripe.StripeClient:
    """The real SDK, talking to the sandbox."""
    return make_client(stripe_sandbox)


@pytest.fixture
def browser() -> Iterator[requests.Session]:
    """Sends forms as a browser would, without following redirects by itself."""
    with requests.Session() as session:
        yield session


@pytest.fixture
def setup_session(client: stripe.StripeClient) -> Callable[..., stripe.checkout.Session]:
    """Starts Checkout sessions in setup mode."""

    def start(**params: object) -> stripe.checkout.Session:
        return client.v1.checkout.sessions.create(
            {
                "mode": "setup",
                "currency": "usd",
                "success_url": "http://host.test/back?session_id={CHECKOUT_SESSION_ID}",
                "cancel_url": "http://host.test/billing",
                **params,
            }
        )

    return start


@pytest.fixture
def receiver(stripe_sandbox: Sandbox) -> Iterator[Receiver]:
    """An endpoint that is registered for all events."""
    with receiving() as served:
        stripe_sandbox.webhooks.register(served.url, SECRET)
        yield served
