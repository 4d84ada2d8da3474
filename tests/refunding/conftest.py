"""A world with invoices, once on each database where SQL differs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stripe
from sqlalchemy import MetaData

from flask_billing import clock
from flask_billing.sandbox import Sandbox
from tests.events.world import MovedClock, World, make_app
from tests.host import db
from tests.refunding.bills import Bills


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK pauses between its attempts; nothing here depends on how long."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)


@pytest.fixture
def bills(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Bills]:
    app = make_app(sqlite_url, stripe_sandbox)
    with app.app_context():
        yield Bills(World(app, stripe_sandbox))


@pytest.fixture
def each_bills(database_url: str, stripe_sandbox: Sandbox) -> Iterator[Bills]:
    """The same, once on each database."""
    app = make_app(database_url, stripe_sandbox)
    with app.app_context():
        yield Bills(World(app, stripe_sandbox))


@pytest.fixture(params=["postgresql", "mariadb"])
def crowded(request: pytest.FixtureRequest, stripe_sandbox: Sandbox) -> Iterator[Bills]:
    """The same, on databases that really do several things at once."""
    url = request.getfixturevalue(f"{request.param}_url")
    app = make_app(url, stripe_sandbox, SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10})
    with app.app_context():
        yield Bills(World(app, stripe_sandbox))


@pytest.fixture
def moved_clock() -> Iterator[MovedClock]:
    moved_clock = MovedClock()
    with clock.moved(moved_clock.now):
        yield moved_clock


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
