"""A host with two projects that pay, and a local Stripe that is changed behind its back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import PaymentMethod
from flask_billing.sandbox import Sandbox
from tests.host import Project, create_app, db
from tests.payment_methods.journey import MASTERCARD, save


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        sqlite_url, STRIPE_SECRET_KEY=stripe_sandbox.secret_key, STRIPE_API_BASE=stripe_sandbox.url
    )
    with app.app_context():
        db.create_all()
        yield app


@pytest.fixture
def sdk(stripe_sandbox: Sandbox) -> stripe.StripeClient:
    """Whoever else changes things at Stripe."""
    return stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )


@pytest.fixture
def projects(app: Flask) -> tuple[Project, Project]:
    one, two = Project(name="one"), Project(name="two")
    db.session.add_all([one, two])
    db.session.commit()
    return one, two


@pytest.fixture
def methods(
    stripe_sandbox: Sandbox, projects: tuple[Project, Project]
) -> tuple[PaymentMethod, ...]:
    """Two payment methods of each project: a Visa and a Mastercard."""
    saved = []
    for project in projects:
        for card in ("4242424242424242", MASTERCARD):
            method = save(stripe_sandbox, project, card).payment_method
            assert method is not None
            saved.append(method)
    return tuple(saved)


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
