"""A host with two projects, a local Stripe, and a person who walks through the pages."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import stripe
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import MetaData
from werkzeug.test import TestResponse

from flask_billing.sandbox import Sandbox
from tests.host import Project, Server, create_app, db

OWN, OTHER = 1, 2


@dataclass
class Person:
    """Someone who opens pages of the host and fills in the processor's page."""

    client: FlaskClient
    sandbox: Sandbox
    project_id: int = OWN

    def page(self, path: str = "", **options: Any) -> TestResponse:
        return self.client.get(f"/projects/{self.project_id}/billing{path}", **options)

    def send(self, path: str, data: dict[str, str] | None = None, **options: Any) -> TestResponse:
        address = f"/projects/{self.project_id}/billing{path}"
        return self.client.post(address, data=data or {}, **options)

    def begin(self, **data: str) -> str:
        """Press "Add payment method" and return the id of the processor's page."""
        response = self.send("/payment-methods", data)
        assert response.status_code == 303, response.text
        return next(
            part for part in urlsplit(response.location).path.split("/") if part.startswith("cs_")
        )

    def save_card(self, card: str = "4242424242424242", **filled_in: Any) -> TestResponse:
        """Save a card and come back."""
        session_id = self.begin()
        return self.come_back(self.sandbox.complete_checkout(session_id, card=card, **filled_in))

    def come_back(self, address: str) -> TestResponse:
        parts = urlsplit(address)
        return self.client.get(f"{parts.path}?{parts.query}")


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the host beside the usual; a test's module can override them."""
    return {}


@pytest.fixture
def app(sqlite_url: str, stripe_sandbox: Sandbox, settings: dict[str, Any]) -> Iterator[Flask]:
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        **settings,
    )
    with app.app_context():
        db.create_all()
        db.session.add_all([Project(id=OWN, name="own"), Project(id=OTHER, name="other")])
        db.session.commit()
    yield app
    app.extensions["billing"].threads.shutdown()


@pytest.fixture
def person(app: Flask, stripe_sandbox: Sandbox) -> Person:
    """The owner of the first project."""
    return Person(app.test_client(), stripe_sandbox)


@pytest.fixture
def stranger(app: Flask, stripe_sandbox: Sandbox) -> Person:
    """The owner of the second project, with a browser of their own."""
    return Person(app.test_client(), stripe_sandbox, OTHER)


def add_server(app: Flask, project_id: int = OWN) -> None:
    with app.app_context():
        db.session.add(Server(project_id=project_id))
        db.session.commit()


def method_ids(app: Flask, project_id: int = OWN) -> list[Any]:
    """The ids of a project's payment methods in their order."""
    with app.app_context():
        return [method.id for method in db.session.get_one(Project, project_id).payment_methods]


def delete_customer(app: Flask, person: Person, project_id: int = OWN) -> None:
    """Delete a project's customer at the processor, as its staff can do."""
    with app.app_context():
        stripe_id = db.session.get_one(Project, project_id).billing_info.stripe_id
    client = stripe.StripeClient(
        person.sandbox.secret_key, base_addresses={"api": person.sandbox.url}
    )
    client.v1.customers.delete(stripe_id)


def flashes(person: Person) -> list[str]:
    with person.client.session_transaction() as session:
        return [message for _category, message in session.get("_flashes", [])]


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
