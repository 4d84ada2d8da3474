"""A host that has its events processed by Celery, and what it takes to post some."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import stripe
from flask import Flask
from sqlalchemy import MetaData, select

from flask_billing import BillingInfo
from flask_billing.models import BillingEvent
from flask_billing.sandbox import Sandbox
from tests.gateways.notices import SECRET, event, header, written
from tests.host import create_app, db

Post = Callable[..., Any]
States = Callable[[], dict[str, str]]


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    """The host, outside an app context."""
    app = create_app(
        sqlite_url,
        BILLING_EVENT_PROCESSING="celery",
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        STRIPE_WEBHOOK_SECRET=SECRET,
    )
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()


@pytest.fixture
def customers(app: Flask, stripe_sandbox: Sandbox) -> list[str]:
    """The ids of two customers of ours."""
    client = stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )
    ids = [client.v1.customers.create({}).id for _ in range(2)]
    with app.app_context():
        db.session.add_all(BillingInfo(stripe_id=stripe_id) for stripe_id in ids)
        db.session.commit()
    return ids


@pytest.fixture
def post(app: Flask) -> Post:
    """Posts a signed notification that a customer was updated."""

    def post(event_id: str, customer_id: str) -> Any:
        body = written(event({"id": customer_id, "object": "customer"}, id=event_id))
        return app.test_client().post(
            "/billing/webhooks/stripe", data=body, headers={"Stripe-Signature": header(body)}
        )

    return post


@pytest.fixture
def states(app: Flask) -> States:
    """Reads the state of each event that is stored."""

    def states() -> dict[str, str]:
        with app.app_context():
            rows = db.session.execute(select(BillingEvent.stripe_id, BillingEvent.state))
            return {row.stripe_id: row.state for row in rows}

    return states


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], bool]:
    """Waits for what another thread or process is to do, and says whether it was done in time."""

    def eventually(is_so: Callable[[], bool]) -> bool:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            if is_so():
                return True
            time.sleep(0.02)
        return False

    return eventually


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
