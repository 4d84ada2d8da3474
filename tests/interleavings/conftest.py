"""A host on PostgreSQL whose calls to the processor stop at gates."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import create_app, db
from tests.interleavings.schedules import GatedGateway


@pytest.fixture
def app(postgresql_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        postgresql_url,
        BILLING_PAGE_TIMEOUT=30,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
    )
    with app.app_context():
        db.create_all()
        state = current()
        state.gateway = GatedGateway(state.make_gateway(state.settings))  # type: ignore[assignment]
        yield app


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
