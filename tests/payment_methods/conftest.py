"""A host with two projects and a local Stripe, inside an app context."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import clock
from flask_billing.sandbox import Sandbox
from tests.host import Project, create_app, db


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        sqlite_url, STRIPE_SECRET_KEY=stripe_sandbox.secret_key, STRIPE_API_BASE=stripe_sandbox.url
    )
    with app.app_context():
        db.create_all()
        yield app


@pytest.fixture
def project(app: Flask) -> Project:
    project = Project(name="one")
    db.session.add(project)
    db.session.commit()
    return project


@pytest.fixture
def other(app: Flask, project: Project) -> Project:
    other = Project(name="two")
    db.session.add(other)
    db.session.commit()
    return other


class MovedClock:
    """Our clock, ahead of the real one by so many seconds."""

    def __init__(self) -> None:
        self._ahead = timedelta()

    def shift(self, seconds: float) -> None:
        """Put the clock ahead of the real time by `seconds`."""
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """Return the time as it is by this clock."""
        return datetime.now(UTC) + self._ahead


@pytest.fixture
def moved_clock() -> Iterator[MovedClock]:
    moved_clock = MovedClock()
    with clock.moved(moved_clock.now):
        yield moved_clock


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
