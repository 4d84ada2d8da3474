"""The traces that the whole journey leaves in a Harbour on SQLite, and in one on PostgreSQL."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from sqlalchemy import MetaData, create_engine, select, text
from sqlalchemy.pool import NullPool

from flask_billing.sandbox import Sandbox
from tests.canary.canaries import ACCOUNT, SECRET_KEY, WEBHOOK_SECRET
from tests.canary.journey import Journey
from tests.databases import UnreachableError
from tests.example_app.serving import serve
from tests.example_app.visitor import Visitor, sign_in

if TYPE_CHECKING:
    from requests import Response

    from tests.databases import PostgreSQL


SERVER = Path(__file__).with_name("server.py")
COMMANDS = (
    ["run", "--once"],
    ["check"],
    ["events", "list"],
    ["events", "replay", "--state", "processed", "--now"],
    ["sync"],
    ["reconcile", "stripe"],
    ["webhook-endpoint", "check"],
)


@dataclass
class Traces:
    """What is left of a journey, as text; tables by name."""

    url: str
    log: str = ""
    commands: str = ""
    tables: dict[str, str] = field(default_factory=dict)
    file: str = ""
    responses: list[Response] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)
    keys: str = ""
    phones: list[str | None] = field(default_factory=list)

    def remember(self, response: Response, **_: object) -> None:
        if response.url.startswith(self.url):
            self.responses.append(response)

    @property
    def headers(self) -> list[tuple[Response, str]]:
        """All headers of Harbour, but for cookies, which have to be read first."""
        return [
            (response, f"{name}: {value}")
            for response in self.responses
            for name, value in response.headers.items()
            if name != "Set-Cookie"
        ]

    @property
    def sessions(self) -> list[dict[str, Any]]:
        """What the session cookies hold, flash messages included."""
        app = Flask("reader")
        app.secret_key = "a secret of the tests"
        reader = SecureCookieSessionInterface().get_signing_serializer(app)
        assert reader is not None
        cookies = [response.cookies.get("harbour_session") for response in self.responses]
        return [reader.loads(cookie) for cookie in cookies if cookie]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def traces(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """The traces of the whole journey."""
    folder = tmp_path_factory.mktemp("canary")
    database = _database(request, folder)
    with pytest.MonkeyPatch.context() as environment, Sandbox() as sandbox:
        environment.setenv("GUNICORN_CMD_ARGS", f"--config {SERVER}")
        environment.setenv("STRIPE_WEBHOOK_SECRET", WEBHOOK_SECRET)
        with serve(database, sandbox.url, folder / "log") as url:
            traces = Traces(url)
            sandbox.webhooks.register(f"{url}/billing/webhooks/stripe", WEBHOOK_SECRET)
            visitor = Visitor(traces.url, "2001:db8::1")
            visitor.session.hooks["response"].append(traces.remember)
            journey = Journey(visitor, sandbox)
            journey.play()
            journey.be_told()
            _make_staff(database)
            _look_as_staff(visitor)
            visitor.session.close()
            traces.commands = _commands(database, sandbox.url, url)
        traces.log = (folder / "log").read_text()
        traces.tables = _dump(database)
        traces.secrets, traces.phones = _secrets(sandbox)
        traces.keys = " ".join(
            f"{entry.path} {entry.idempotency_key}" for entry in sandbox.requests
        )
    for file in folder.glob("harbour.sqlite3*"):
        traces.file += file.read_bytes().decode("latin-1")
    return traces


def _database(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'harbour.sqlite3'}"
    postgresql: PostgreSQL = request.getfixturevalue("_postgresql")
    try:
        return postgresql.fresh_database()
    except UnreachableError as unreachable:
        pytest.skip(str(unreachable))


def _make_staff(database: str) -> None:
    with create_engine(database, poolclass=NullPool).begin() as connection:
        connection.execute(text("UPDATE user_account SET is_staff = true"))


def _look_as_staff(visitor: Visitor) -> None:
    """Look at every event as the people of Harbour see it."""
    sign_in(visitor, ACCOUNT)
    listed = visitor.get("/billing/staff/events")
    assert "evt_" in listed.text
    for event_id in sorted(set(re.findall(r"evt_\w+", listed.text))):
        assert visitor.get(f"/billing/staff/events/{event_id}").status_code == 200


def _commands(database: str, stripe_url: str, url: str) -> str:
    """What the commands print that finish what was interrupted, and look whether all is well."""
    env = os.environ | {
        "BILLING_BASE_URL": url,
        "DATABASE_URL": database,
        "SECRET_KEY": "a secret of the tests",
        "STRIPE_API_BASE": stripe_url,
        "STRIPE_SECRET_KEY": SECRET_KEY,
        "STRIPE_WEBHOOK_SECRET": WEBHOOK_SECRET,
    }
    flask = [sys.executable, "-m", "flask", "--app", "example_app.wsgi", "billing"]
    done = [
        subprocess.run(
            [*flask, *command], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        for command in COMMANDS
    ]
    return "\n".join(each.stdout + each.stderr for each in done)


def _dump(url: str) -> dict[str, str]:
    engine = create_engine(url, poolclass=NullPool)
    tables = MetaData()
    with engine.connect() as connection:
        tables.reflect(connection)
        return {
            table.name: "\n".join(
                " | ".join(str(value) for value in row) for row in connection.execute(select(table))
            )
            for table in tables.sorted_tables
        }


def _secrets(sandbox: Sandbox) -> tuple[list[str], list[str | None]]:
    """What only Stripe knows and nobody else may keep, and the telephone numbers that it has."""
    stripe = Journey(Visitor("", ""), sandbox).stripe
    intents = stripe.v1.setup_intents.list().data
    customers = stripe.v1.customers.list().data
    methods = [
        method
        for customer in customers
        for method in stripe.v1.customers.payment_methods.list(customer.id).data
    ]
    secrets = [intent.client_secret for intent in intents if intent.client_secret]
    secrets += [
        method.card.fingerprint for method in methods if method.card and method.card.fingerprint
    ]
    return secrets, [customer.phone for customer in customers]
