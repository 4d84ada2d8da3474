"""A host with tables and nothing in them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.host import create_app, db


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    """A host with billing on, inside of an app context."""
    app = create_app(sqlite_url, STRIPE_SECRET_KEY="sk_test_models")
    with app.app_context():
        db.create_all()
        yield app
        db.session.remove()
