"""A Harbour to visit over HTTP, and visitors."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from tests.example_app.serving import serve
from tests.example_app.visitor import Visitor, enroll

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from flask_billing.sandbox import Sandbox

numbers = count(1)


@pytest.fixture(scope="session")
def stripe_url(_sandbox: Sandbox) -> str:
    """The address of the local Stripe that Harbour talks to."""
    return _sandbox.url


@pytest.fixture(scope="session")
def harbour_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the Harbour on SQLite keeps everything."""
    return tmp_path_factory.mktemp("harbour") / "harbour.sqlite3"


@pytest.fixture(scope="session")
def harbour(harbour_database: Path, stripe_url: str) -> Iterator[str]:
    """The address of a Harbour on SQLite; whatever goes wrong inside it fails the run."""
    log = harbour_database.with_name("log")
    with serve(f"sqlite:///{harbour_database}", stripe_url, log) as url:
        yield url
    assert "Traceback" not in log.read_text()


@pytest.fixture
def visit(harbour: str) -> Iterator[Callable[[], Visitor]]:
    """Makes visitors, each at an address of its own."""
    visitors: list[Visitor] = []

    def make() -> Visitor:
        visitors.append(Visitor(harbour, f"2001:db8::{next(numbers):x}"))
        return visitors[-1]

    yield make
    for visitor in visitors:
        visitor.session.close()


@pytest.fixture
def sign_up(visit: Callable[[], Visitor]) -> Callable[[], Visitor]:
    """Makes visitors with a new account, signed in; `email` is the address of the account."""

    def make() -> Visitor:
        visitor = visit()
        enroll(visitor, f"person-{next(numbers)}@example.com")
        return visitor

    return make
