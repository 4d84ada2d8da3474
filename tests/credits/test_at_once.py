"""A project's currency is not fixed while somebody is just using something in another one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from flask import Flask

from flask_billing import BilledProjectRow, CreditRefused, credits, invoicing
from tests.at_once import at_once
from tests.credits.conftest import Time, host
from tests.host import billing, db

pytestmark = [pytest.mark.database, pytest.mark.concurrency]


@pytest.fixture(params=["postgresql", "mariadb"])
def busy(request: pytest.FixtureRequest, time: Time) -> Iterator[Flask]:
    """A host on a database that really does two things at once."""
    yield from host(request.getfixturevalue(f"{request.param}_url"))


def grant() -> str:
    return credits.grant("1", 100, currency="eur", reason="goodwill").currency


def adjust() -> str:
    return invoicing.adjust("1", 100, reason="setup_fee").currency


@pytest.mark.parametrize("act", [grant, adjust])
def test_currency_is_fixed_after_a_use_that_is_not_committed_yet(
    busy: Flask, act: Callable[[], str]
) -> None:
    written, done = threading.Event(), threading.Event()

    def use() -> bool:
        assert billing.record_usage("1", "api.call", 100, "1").state == "recorded"
        written.set()
        # Long enough for the other to be done, if it did not wait.
        waited = not done.wait(0.7)
        db.session.commit()
        return waited

    def fix() -> str:
        assert written.wait(20)
        try:
            return act()
        finally:
            done.set()

    with busy.app_context():
        waited, outcome = at_once(busy, use, fix)

        assert waited
        assert isinstance(outcome, CreditRefused) if act is grant else outcome == "usd"
        assert db.session.get_one(BilledProjectRow, "1").currency == (
            None if act is grant else "usd"
        )
