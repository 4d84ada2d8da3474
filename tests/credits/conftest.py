"""A host with two projects on each database, and a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import clock
from tests.host import Project, create_app, db

RATES = Path(__file__).resolve().parents[1] / "rates.toml"


class Time:
    """The moment that the clock shows."""

    def __init__(self) -> None:
        self.now = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def time() -> Iterator[Time]:
    """Noon on the 15th of June, until the test sets another moment."""
    time = Time()
    with clock.moved(lambda: time.now):
        yield time


def host(url: str) -> Iterator[Flask]:
    app = create_app(url, STRIPE_SECRET_KEY="sk_test_credits", BILLING_RATES=str(RATES))
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=1, name="north"), Project(id=2, name="south")])
        db.session.commit()
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()


@pytest.fixture
def app(time: Time, database_url: str) -> Iterator[Flask]:
    """A host with two projects, 1 and 2, on each of the databases."""
    yield from host(database_url)


@pytest.fixture
def small_app(time: Time, sqlite_url: str) -> Iterator[Flask]:
    """The same on SQLite alone, for what no database has a say in."""
    yield from host(sqlite_url)


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
