"""A host with a local Stripe, on SQLite or on each database in turn."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import clock
from flask_billing.sandbox import Sandbox
from tests.host import create_app, db


def host(url: str, sandbox: Sandbox) -> Flask:
    """A host of the local Stripe."""
    return create_app(
        url,
        STRIPE_SECRET_KEY=sandbox.secret_key,
        STRIPE_API_BASE=sandbox.url,
        BILLING_STRIPE_RATE=1000,
    )


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = host(sqlite_url, stripe_sandbox)
    with app.app_context():
        db.create_all()
        yield app


@pytest.fixture
def anywhere(database_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    """The same host on each database in turn."""
    app = host(database_url, stripe_sandbox)
    with app.app_context():
        db.create_all()
        yield app


class Time:
    """The clocks of both sides, which go on together unless a test says otherwise."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._ahead = timedelta()
        self._sandbox = sandbox

    def now(self) -> datetime:
        """Return the time by our clock."""
        return datetime.now(UTC) + self._ahead

    def pass_by(self, **by: float) -> None:
        """Let time go by on both sides, as given to `timedelta`."""
        self._ahead += timedelta(**by)
        self._sandbox.advance(timedelta(**by).total_seconds())

    def jump(self, **by: float) -> None:
        """Have our clock alone jump."""
        self._ahead += timedelta(**by)


@pytest.fixture
def time(stripe_sandbox: Sandbox) -> Iterator[Time]:
    time = Time(stripe_sandbox)
    with clock.moved(time.now):
        yield time


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
