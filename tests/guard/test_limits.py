"""A project's own spending limit stops it, until the month is over or the limit is lifted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, update
from sqlalchemy.engine import Engine

from flask_billing import (
    BilledProjectRow,
    PaymentMethodRequired,
    SpendingAlert,
    SpendingLimitReached,
    clock,
    guard,
)
from tests.guard.conftest import Ids
from tests.host import Project, Seat, Server, Zone, billing, db

NOON = datetime(2026, 6, 15, 12, tzinfo=UTC)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


class Time:
    now = NOON


@pytest.fixture
def time() -> Iterator[Time]:
    time = Time()
    with clock.moved(lambda: time.now):
        yield time


@pytest.fixture
def stopped(time: Time, app: Flask, ids: Ids) -> Ids:
    """The one that could pay has reached its limit of 100.00 in June."""
    with app.app_context():
        other = Project(
            name="other", billing_info=db.session.get_one(Project, ids.paying).billing_info
        )
        db.session.add(other)
        for amount, stops in ((5000, False), (10_000, True), (20_000, True)):
            alert = SpendingAlert(
                project_key=str(ids.paying),
                amount=amount,
                currency="usd",
                stops_creation=stops,
                raised_for=datetime(2026, 6, 1, tzinfo=UTC),
            )
            db.session.add(alert)
        stop(ids.paying)
        db.session.commit()
        return Ids(ids.paying, other.id)


def stop(key: int) -> None:
    row = update(BilledProjectRow).where(BilledProjectRow.project_key == str(key))
    db.session.execute(row.values(stopped_until=JULY))
    db.session.commit()


def create(*keys: int, model: type[Any] = Server) -> None:
    db.session.add_all([model(project_id=key) for key in keys])
    db.session.commit()


def refused(*keys: int) -> SpendingLimitReached:
    with pytest.raises(SpendingLimitReached) as refusal:
        create(*keys)
    db.session.rollback()
    return refusal.value


def test_reached_limit_stops_one_project_and_no_other(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        refusal = refused(stopped.paying)
        create(stopped.poor)

        assert isinstance(refusal, PaymentMethodRequired)
        assert (refusal.project_key, refusal.resource) == (str(stopped.paying), "server")
        assert refusal.limit == "100.00 USD"
        assert str(refusal.description) == (
            "The spending limit of 100.00 USD is reached for this month. Raise or remove it on the "
            "usage page to create a server."
        )
        assert [server.project_id for server in db.session.query(Server)] == [stopped.poor]


def test_one_that_is_stopped_stops_a_flush_of_several(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        assert refused(stopped.poor, stopped.paying).project_key == str(stopped.paying)
        assert db.session.query(Server).count() == 0


def test_ways_around_the_unit_of_work_are_stopped_too(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        with pytest.raises(SpendingLimitReached):
            db.session.bulk_save_objects([Server(project_id=stopped.paying)])
        db.session.rollback()
        with pytest.raises(SpendingLimitReached):
            db.session.execute(insert(Server), [{"name": "a", "project_id": stopped.paying}])


def test_limit_ends_with_the_month(app: Flask, time: Time, stopped: Ids) -> None:
    with app.app_context():
        time.now = JULY - timedelta(microseconds=1)
        refused(stopped.paying)
        time.now = JULY

        create(stopped.paying)

        assert db.session.query(Server).count() == 1


def test_lifted_limit_stops_nothing(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        db.session.execute(update(BilledProjectRow).values(stopped_until=None))
        db.session.commit()

        create(stopped.paying)


def test_free_kinds_and_internal_projects_go_on(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        create(stopped.paying, model=Zone)
        with pytest.raises(SpendingLimitReached):
            create(stopped.paying, model=Seat)
        db.session.rollback()
        db.session.get_one(Project, stopped.paying).billable = False
        db.session.commit()

        create(stopped.paying)


def test_limit_stands_above_the_hosts_rules(app: Flask, stopped: Ids) -> None:
    billing.guard_rule(lambda project, model, count: True)
    try:
        with app.app_context():
            refused(stopped.paying)
            decision = guard.decide(db.session.get_one(Project, stopped.paying), Server)
    finally:
        billing._hooks.guard_rules.clear()

    assert (decision.allowed, decision.reason) == (False, "limit")


def test_asking_and_creating_agree(app: Flask, stopped: Ids) -> None:
    with app.app_context():
        projects = [db.session.get_one(Project, key) for key in (stopped.paying, stopped.poor)]

        reasons = [guard.decide(project, Server).reason for project in projects]

        assert reasons == ["limit", "payment_method"]
        assert [project.can_create_resources for project in projects] == [False, True]
        assert guard.decide(projects[0], Zone).reason == "free"


def test_view_is_stopped_before_the_form(app: Flask, stopped: Ids) -> None:
    @app.get("/projects/<int:project_id>/servers/new")
    @billing.payment_method_required(model=Server)
    def new_server(project_id: int) -> str:
        return "the form"

    client = app.test_client()
    path = f"/projects/{stopped.paying}/servers/new"

    program = client.get(path, headers={"Accept": "application/json"})
    person = client.get(path)

    assert program.status_code == 402
    assert "spending-limit-reached" in program.text
    assert person.status_code == 303
    assert client.get(f"/projects/{stopped.poor}/servers/new").text == "the form"


def test_limit_costs_no_statement(app: Flask, stopped: Ids) -> None:
    sent: list[str] = []

    def remember(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        sent.append(statement)

    with app.app_context():
        db.session.add(Server(project_id=stopped.poor))
        db.session.connection()
        event.listen(Engine, "before_cursor_execute", remember)
        try:
            db.session.flush()
        finally:
            event.remove(Engine, "before_cursor_execute", remember)

    assert len([s for s in sent if not s.startswith("INSERT")]) == 1
