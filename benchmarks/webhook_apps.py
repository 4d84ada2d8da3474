"""The apps that take notifications in under gunicorn: ours, and what one would write by hand."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from functools import cache
from secrets import token_hex
from typing import Any
from uuid import uuid4

import psycopg
import stripe
from flask import Flask, request
from sqlalchemy import MetaData, Table, create_engine, make_url
from sqlalchemy.dialects.postgresql import insert

from benchmarks.host import billing, db
from benchmarks.notifications import SECRET

__all__ = ["BARE_TABLES", "PATH", "URL", "bare_psycopg", "bare_sqlalchemy", "ours"]

#: The environment's variable with the URL of the database.
URL = "BENCHMARK_DATABASE"
PATH = "/billing/webhooks/stripe"
#: Equal to the table of events, its indexes included.
BARE_TABLES = ("bare_psycopg_event", "bare_sqlalchemy_event")


def ours() -> Flask:
    """Return a host of the extension."""
    app = Flask(__name__)
    app.config.update(
        SECRET_KEY=token_hex(),
        STRIPE_SECRET_KEY=f"sk_test_{token_hex()}",
        STRIPE_WEBHOOK_SECRET=SECRET,
        SQLALCHEMY_DATABASE_URI=os.environ[URL],
    )
    db.init_app(app)
    billing.init_app(app)
    return app


def bare_sqlalchemy() -> Flask:
    """Return an app that inserts by SQLAlchemy's Core, in a transaction of an engine's pool."""
    app = Flask(__name__)
    engine = create_engine(os.environ[URL])
    table = Table("bare_sqlalchemy_event", MetaData(), autoload_with=engine)
    engine.dispose()
    statement = insert(table).on_conflict_do_nothing(index_elements=["stripe_id"])

    @app.post(PATH)
    def take_in() -> str:
        values = _verified_and_parsed()
        with engine.begin() as connection:
            connection.execute(statement, values)
        return "Stored.\n"

    return app


def bare_psycopg() -> Flask:
    """Return an app that sends one ready statement over a connection that is always open."""
    app = Flask(__name__)
    names = list(_COLUMNS)
    statement = (
        f"INSERT INTO bare_psycopg_event ({', '.join(names)}) "  # noqa: S608 - names of ours
        f"VALUES ({', '.join(f'%({name})s' for name in names)}) ON CONFLICT (stripe_id) DO NOTHING"
    )

    @cache
    def connection() -> psycopg.Connection[Any]:
        url = make_url(os.environ[URL]).set(drivername="postgresql")
        return psycopg.connect(url.render_as_string(hide_password=False), autocommit=True)

    @app.post(PATH)
    def take_in() -> str:
        connection().execute(statement, _verified_and_parsed())
        return "Stored.\n"

    return app


_COLUMNS = (
    *("id", "stripe_id", "type", "object_id", "object_type", "customer_id", "account_id"),
    *("livemode", "api_version", "idempotency_key", "created_at", "received_at", "state"),
    *("reason", "attempts", "next_try_at", "ended_at"),
)


def _verified_and_parsed() -> dict[str, Any]:
    body = request.get_data()
    signature = request.headers["Stripe-Signature"]
    stripe.WebhookSignature.verify_header(body.decode(), signature, SECRET, tolerance=300)
    event = json.loads(body)
    thing = event["data"]["object"]
    now = datetime.now(UTC)
    values = (
        *(uuid4(), event["id"], event["type"], thing["id"], thing["object"]),
        *(thing.get("customer"), event.get("account"), event["livemode"], event["api_version"]),
        *(event["request"]["idempotency_key"], datetime.fromtimestamp(event["created"], UTC)),
        *(now, "pending", None, 0, now, None),
    )
    return dict(zip(_COLUMNS, values, strict=True))
