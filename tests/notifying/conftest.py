"""A host whose notifications stay in a box, on each database, with a clock that is moved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import MetaData

from flask_billing.state import Hooks
from tests.events.conftest import crowded, each_world, moved_clock, outside, world
from tests.host import billing, db
from tests.notifying.outbox import Box, Members

__all__ = ["crowded", "each_world", "moved_clock", "outside", "world"]


@pytest.fixture
def settings() -> dict[str, Any]:
    """Settings of the host beside the usual; a test's module can override them."""
    return {"BILLING_BASE_URL": "https://app.example.com"}


@pytest.fixture(autouse=True)
def box() -> Iterator[Box]:
    """Where letters go; the host object is everybody's, so this ends with the test."""
    box = Box()
    billing.notifier = box
    yield box
    billing.notifier = None


@pytest.fixture(autouse=True)
def members() -> Iterator[Members]:
    """Who the host says belongs to its projects."""
    members = Members()
    billing.members_emails(members.emails)
    yield members
    billing._hooks.members_emails = Hooks.members_emails


@pytest.fixture
def kept_tables() -> MetaData:
    """Tests here begin with `create_all`."""
    return db.metadata
