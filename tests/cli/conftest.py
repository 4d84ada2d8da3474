"""A host with a history of its own on an empty database, and a local Stripe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import stripe
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask_migrate import Migrate

from flask_billing import clock
from flask_billing.cli.history import environment
from flask_billing.models import BillingEvent
from flask_billing.state import EventHandler
from tests.host import create_app, db
from tests.migrations.revisions import upgrade_to_head

if TYPE_CHECKING:
    from click.testing import Result
    from flask import Flask

    from flask_billing.sandbox import Sandbox


class Shell:
    """Runs ``flask ...`` for an app that keeps its migrations in a folder."""

    def __init__(self, app: Flask, folder: Path) -> None:
        self.app = app
        self.folder = folder

    @property
    def versions(self) -> Path:
        return self.folder / "versions"

    def flask(self, *words: str) -> Result:
        result = self.app.test_cli_runner().invoke(args=list(words))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.output
        return result

    def billing(self, *words: str) -> Result:
        return self.flask("billing", *words)


def event(number: int, *, hours: float = 0, **values: Any) -> BillingEvent:
    """One that arrived so many hours ago."""
    moment = clock.now() - timedelta(hours=hours)
    given = {
        "stripe_id": f"evt_{number}",
        "type": "customer.updated",
        "object_id": f"cus_{number}",
        "object_type": "customer",
        "customer_id": f"cus_{number}",
        "livemode": False,
        "created_at": moment,
        "received_at": moment,
        "state": "processed",
        "ended_at": moment,
        "attempts": 1,
    }
    return BillingEvent(**{**given, **values})


class MovedClock:
    """The real time, put ahead."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def shift(self, seconds: float) -> None:
        """Put the clock ahead by so much more."""
        self._ahead += timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the time as it is by this clock."""
        return datetime.now(UTC) + self._ahead


@pytest.fixture
def moved_clock() -> Iterator[MovedClock]:
    moved_clock = MovedClock()
    with clock.moved(moved_clock.now):
        yield moved_clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the host's migrations are."""
    return tmp_path / "migrations"


@pytest.fixture
def settings(stripe_sandbox: Sandbox) -> dict[str, Any]:
    return {
        "STRIPE_SECRET_KEY": stripe_sandbox.secret_key,
        "STRIPE_API_BASE": stripe_sandbox.url,
        "BILLING_BASE_URL": "https://app.example.com",
    }


@pytest.fixture
def app(sqlite_url: str, folder: Path, settings: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(sqlite_url, **settings)
    Migrate(app, db, directory=str(folder))
    yield app
    with app.app_context():
        db.session.remove()


@pytest.fixture
def shell(app: Flask, folder: Path) -> Shell:
    """A host that never ran ``flask db init``."""
    return Shell(app, folder)


@pytest.fixture
def history(shell: Shell) -> Shell:
    """A host with an empty history."""
    assert shell.flask("db", "init").exit_code == 0
    return shell


@pytest.fixture
def ready(history: Shell) -> Shell:
    """A host that installed the revisions and upgraded its database."""
    assert history.billing("install-migrations").exit_code == 0
    with history.app.app_context():
        db.create_all()
        db.session.remove()
        drop_billing_tables()
        with db.engine.begin() as connection:
            upgrade_to_head(connection)
            MigrationContext.configure(connection).stamp(ScriptDirectory(environment()), "head")
    return history


@pytest.fixture
def stocked(shell: Shell) -> Shell:
    """A host with its tables, without a history."""
    with shell.app.app_context():
        db.create_all()
    return shell


@pytest.fixture
def sdk(stripe_sandbox: Sandbox) -> stripe.StripeClient:
    """Whoever else changes things at Stripe."""
    return stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )


@pytest.fixture
def secrets(app: Flask) -> Callable[..., None]:
    """Sets the webhook secrets that the app was deployed with."""

    def set_secrets(*given: str) -> None:
        state = app.extensions["billing"]
        state.settings = replace(state.settings, webhook_secrets=given)

    return set_secrets


@pytest.fixture
def handlers(app: Flask) -> Iterator[list[EventHandler]]:
    """The host's handlers of events; the test may add some."""
    registered: list[EventHandler] = app.extensions["billing"].hooks.event_handlers
    before = list(registered)
    yield registered
    registered[:] = before


def drop_billing_tables() -> None:
    from tests.migrations.revisions import TABLES

    db.metadata.drop_all(db.engine, tables=TABLES)
