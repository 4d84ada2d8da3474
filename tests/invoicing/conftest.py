"""A host with rates on each of the three databases, inside an app context."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import MetaData

from tests.host import create_app, db
from tests.invoicing.books import SETTINGS


@pytest.fixture
def app(sqlite_url: str) -> Iterator[Flask]:
    app = create_app(sqlite_url, **SETTINGS)
    with app.app_context():
        db.create_all()
        yield app


@pytest.fixture
def anywhere(database_url: str) -> Iterator[Flask]:
    """The same host on each database in turn."""
    app = create_app(database_url, **SETTINGS)
    with app.app_context():
        db.create_all()
        yield app


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
