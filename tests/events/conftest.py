"""A host that is told of what happens in its sandbox, once on each database where SQL differs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import stripe
from sqlalchemy import MetaData

from flask_billing import clock
from flask_billing.sandbox import Sandbox
from tests.events.world import MovedClock, World, make_app
from tests.host import billing, db


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the host beside the usual; a test's module can override them."""
    return {}


@pytest.fixture(autouse=True)
def _no_handlers_of_others() -> Iterator[None]:
    """The host object is everybody's: what a test registers ends with it."""
    yield
    billing._hooks.event_handlers.clear()


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK pauses between its attempts; nothing here depends on how long."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)


@pytest.fixture
def outside(sqlite_url: str, stripe_sandbox: Sandbox, settings: dict[str, Any]) -> Iterator[World]:
    """A world on SQLite, seen from outside: no app context is open."""
    app = make_app(sqlite_url, stripe_sandbox, **settings)
    yield World(app, stripe_sandbox)
    app.extensions["billing"].threads.shutdown()


@pytest.fixture
def world(outside: World) -> Iterator[World]:
    """A world on SQLite, inside an app context."""
    with outside.app.app_context():
        yield outside


@pytest.fixture
def each_world(
    database_url: str, stripe_sandbox: Sandbox, settings: dict[str, Any]
) -> Iterator[World]:
    """A world inside an app context, once on each database."""
    app = make_app(database_url, stripe_sandbox, **settings)
    with app.app_context():
        yield World(app, stripe_sandbox)


@pytest.fixture(params=["postgresql", "mariadb"])
def crowded(
    request: pytest.FixtureRequest, stripe_sandbox: Sandbox, settings: dict[str, Any]
) -> Iterator[World]:
    """A world inside an app context, on databases that really do several things at once."""
    url = request.getfixturevalue(f"{request.param}_url")
    pool = {"SQLALCHEMY_ENGINE_OPTIONS": {"pool_size": 10}}
    app = make_app(url, stripe_sandbox, **pool, **settings)
    with app.app_context():
        yield World(app, stripe_sandbox)


@pytest.fixture
def moved_clock() -> Iterator[MovedClock]:
    moved_clock = MovedClock()
    with clock.moved(moved_clock.now):
        yield moved_clock


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
