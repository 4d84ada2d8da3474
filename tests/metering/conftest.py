"""A host with two projects that can pay, on each database, at a moment that stands still."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import BillingInfo, PaymentMethod, clock
from tests.host import Project, create_app, db

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)


class Time:
    """What the clock says; goes on when it is told to."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def pass_by(self, **length: float) -> datetime:
        self.now += timedelta(**length)
        return self.now


@dataclass(frozen=True)
class Ids:
    """The keys of the two projects."""

    one: int
    other: int


@pytest.fixture
def time() -> Iterator[Time]:
    now = Time()
    with clock.moved(now):
        yield now


def make_app(url: str, **config: object) -> Flask:
    """The host with rates, and with its tables."""
    settings = {"STRIPE_SECRET_KEY": "sk_test_metering", "BILLING_RATES": "rates.toml"}
    app = create_app(url, **(settings | config))
    with app.app_context():
        db.create_all()
    return app


def make_projects() -> Ids:
    """Two projects that share a payment method."""
    info = BillingInfo(stripe_id="cus_metering")
    method = PaymentMethod(stripe_id="pm_metering", billing_info=info)
    one, other = Project(name="one", billing_info=info), Project(name="other", billing_info=info)
    db.session.add_all([info, method, one, other])
    db.session.commit()
    return Ids(one.id, other.id)


@pytest.fixture
def app(database_url: str, time: Time) -> Iterator[Flask]:
    app = make_app(database_url)
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()


@pytest.fixture
def ids(app: Flask) -> Ids:
    with app.app_context():
        return make_projects()


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
