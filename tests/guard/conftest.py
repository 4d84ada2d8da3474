"""A host with two projects on each database: one that can pay, and one that cannot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from flask import Flask
from sqlalchemy import MetaData

from flask_billing import BillingInfo, PaymentMethod
from tests.host import Project, create_app, db


@dataclass(frozen=True)
class Ids:
    """The keys of the two projects."""

    paying: int
    poor: int


@pytest.fixture
def app(database_url: str) -> Iterator[Flask]:
    app = create_app(database_url, STRIPE_SECRET_KEY="sk_test_guard")
    with app.app_context():
        db.create_all()
    yield app
    with app.app_context():
        db.session.remove()
        db.drop_all()


@pytest.fixture
def ids(app: Flask) -> Ids:
    with app.app_context():
        info = BillingInfo(stripe_id="cus_paying")
        method = PaymentMethod(stripe_id="pm_paying", billing_info=info)
        paying, poor = Project(name="paying", billing_info=info), Project(name="poor")
        db.session.add_all([info, method, paying, poor])
        db.session.commit()
        return Ids(paying.id, poor.id)


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
