"""Whoever closes at the same moment, and whoever uses something meanwhile, nothing counts twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_billing import invoicing
from flask_billing.invoicing import CloseReport
from tests.at_once import at_once
from tests.host import Project, billing, create_app, db
from tests.invoicing.books import (
    SETTINGS,
    at,
    credit,
    everything,
    invoices,
    lines,
    month,
    new_project,
    now,
    record,
    remaining,
    row_of,
    usage,
)
from tests.invoicing.killing import LATE, write_books

pytestmark = [pytest.mark.database, pytest.mark.concurrency]

SERVERS = pytest.mark.parametrize("server", ["postgresql", "mariadb"])


@pytest.fixture
def busy(server: str, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """A host on a database that really does two things at once."""
    url = request.getfixturevalue(f"{server}_url")
    app = create_app(url, **SETTINGS, SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10})
    with app.app_context():
        db.create_all()
        yield app


@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_four_processes_that_are_killed_end_as_one_that_worked_alone(
    server: str,
    request: pytest.FixtureRequest,
    sqlite_url: str,
    run_python: Callable[[str], str],
) -> None:
    url = request.getfixturevalue(f"{server}_url")

    killed = int(run_python(f"from tests.invoicing.killing import main; main({url!r})"))

    with create_app(url, **SETTINGS).app_context():
        at_once = everything()
    with create_app(sqlite_url, **SETTINGS).app_context():
        db.create_all()
        write_books()
        with now(LATE):
            invoicing.close()
        alone = everything()
    assert at_once == alone
    assert killed >= 5


@SERVERS
def test_projects_are_shared_among_those_who_close_at_once(busy: Flask, server: str) -> None:
    keys = [new_project() for _ in range(12)]
    for key in keys:
        record(key, at(6))
        credit(key, 700, at(6, 2))

    with now(at(8, 5)):
        reports = at_once(busy, *[invoicing.close] * 4)

    assert sum(reports, start=CloseReport()) == CloseReport(closed=24, invoiced=24)
    for key in keys:
        assert [i.credit_used for i in invoices(key)] == [700, 0]
        assert remaining(key) == [0]


@SERVERS
def test_month_is_not_closed_while_a_use_is_being_written(busy: Flask, server: str) -> None:
    key, other = new_project(at(6)), new_project(at(6))
    written, closed = threading.Event(), threading.Event()

    def use() -> None:
        project = db.session.get_one(Project, int(key))
        assert billing.record_usage(project, "api.call", 100_000, "1", at=at(6, 30)).state == (
            "recorded"
        )
        written.set()
        # Long enough for closing to have closed it, if it did not wait.
        assert not closed.wait(0.7)
        db.session.commit()

    def close() -> CloseReport:
        assert written.wait(20)
        try:
            return invoicing.close()
        finally:
            closed.set()

    usage(other, at(6, 3), 100_000)
    with now(at(7, 1, 1)):
        outcomes = at_once(busy, use, close)

    assert outcomes == [None, CloseReport(closed=2, invoiced=2)]
    [invoice] = invoices(key)
    assert invoice.subtotal == 1000


@SERVERS
def test_use_that_is_written_while_its_month_closes_is_counted_once(
    busy: Flask, server: str
) -> None:
    for attempt in range(8):
        key = new_project()
        moment = at(6, 30) + timedelta(minutes=attempt)

        def use(key: str = key, moment: Any = moment) -> str:
            project = db.session.get_one(Project, int(key))
            state = billing.record_usage(project, "api.call", 100_000, "1", at=moment).state
            db.session.commit()
            return state

        with now(at(7, 1, 1)):
            outcomes = at_once(busy, use, lambda: invoicing.close(month(6)))
        with now(at(8, 1, 1)):
            invoicing.close()

        assert outcomes[0] == "recorded"
        assert isinstance(outcomes[1], CloseReport)
        found = invoices(key)
        assert [(i.subtotal, i.adjusted) for i in found] in ([(1000, 0)], [(0, 1000)])
        assert len(lines(found[0])) == 1


@SERVERS
def test_void_and_close_at_once_leave_one_live_invoice(busy: Flask, server: str) -> None:
    key = new_project()
    record(key, at(6))
    credit(key, 500, at(6, 2))
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)

        at_once(
            busy,
            *[lambda: invoicing.void(invoice.id, reason="wrong_price")] * 2,
            *[lambda: invoicing.close(month(6), key)] * 2,
        )
        invoicing.close(month(6), key)

    live = [i for i in invoices(key) if i.live_marker]
    assert len(live) == 1
    assert (live[0].credit_used, remaining(key)) == (500, [0])


@SERVERS
def test_project_that_is_locked_for_long_does_not_stop_the_others(
    busy: Flask, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, other = new_project(), new_project()
    for each in (key, other):
        usage(each, at(6, 2), 100_000)
    monkeypatch.setattr("flask_billing.invoicing.due.PATIENCE_SECONDS", 1)
    locked, closed = threading.Event(), threading.Event()

    def hold() -> None:
        db.session.refresh(row_of(key), with_for_update=True)
        locked.set()
        assert closed.wait(60)

    def close() -> CloseReport:
        assert locked.wait(20)
        try:
            return invoicing.close()
        finally:
            closed.set()

    with now(at(7, 5)):
        outcomes = at_once(busy, hold, close)
        later = invoicing.close()

    assert outcomes == [None, CloseReport(closed=1, invoiced=1, busy=1)]
    assert later == CloseReport(closed=1, invoiced=1)
