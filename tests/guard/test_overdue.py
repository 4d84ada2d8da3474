"""An invoice that is past due keeps its project from creating, until it is paid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, insert, select, update
from sqlalchemy.engine import Engine

from flask_billing import (
    BilledProjectRow,
    PaymentMethodRequired,
    PaymentOverdue,
    clock,
    guard,
)
from tests.guard.conftest import Ids
from tests.host import Project, Seat, Server, Zone, billing, create_app, db

SINCE = datetime(2026, 6, 15, 12, tzinfo=UTC)


@pytest.fixture
def overdue(app: Flask, ids: Ids) -> Ids:
    """The one that could pay has not paid; another shares its card and owes nothing."""
    with app.app_context():
        info = db.session.get_one(Project, ids.paying).billing_info
        other = Project(name="other", billing_info=info)
        db.session.add(other)
        db.session.commit()
        mark(ids.paying, SINCE)
        return Ids(ids.paying, other.id)


def marking(key: int, since: datetime | None) -> Any:
    row = update(BilledProjectRow).where(BilledProjectRow.project_key == str(key))
    return row.values(past_due_since=since)


def mark(key: int, since: datetime | None) -> None:
    db.session.execute(marking(key, since))
    db.session.commit()


def create(*keys: int, model: type[Any] = Server) -> None:
    db.session.add_all([model(project_id=key) for key in keys])
    db.session.commit()


def refused(*keys: int) -> PaymentOverdue:
    with pytest.raises(PaymentOverdue) as refusal:
        create(*keys)
    db.session.rollback()
    return refusal.value


def test_debt_stops_one_project_and_no_other(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        refusal = refused(overdue.paying)
        create(overdue.poor)

        assert isinstance(refusal, PaymentMethodRequired)
        assert (refusal.project_key, refusal.resource) == (str(overdue.paying), "server")
        assert str(refusal.description) == (
            "An invoice could not be paid. Pay it to create a server."
        )
        assert [server.project_id for server in db.session.query(Server)] == [overdue.poor]


def test_one_that_owes_stops_a_flush_of_several(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        assert refused(overdue.poor, overdue.paying).project_key == str(overdue.paying)
        assert db.session.query(Server).count() == 0


def test_ways_around_the_unit_of_work_are_stopped_too(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        with pytest.raises(PaymentOverdue):
            db.session.bulk_save_objects([Server(project_id=overdue.paying)])
        db.session.rollback()
        with pytest.raises(PaymentOverdue):
            db.session.execute(insert(Server), [{"name": "a", "project_id": overdue.paying}])


def test_paid_debt_stops_nothing(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        mark(overdue.paying, None)

        create(overdue.paying)

        assert db.session.get_one(Project, overdue.paying).can_create_resources


def test_free_kinds_and_internal_projects_go_on(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        create(overdue.paying, model=Zone)
        with pytest.raises(PaymentOverdue):
            create(overdue.paying, model=Seat)
        db.session.rollback()
        db.session.get_one(Project, overdue.paying).billable = False
        db.session.commit()

        create(overdue.paying)


def test_debt_stands_above_the_hosts_rules_and_a_spending_limit(app: Flask, overdue: Ids) -> None:
    billing.guard_rule(lambda project, model, count: True)
    try:
        with app.app_context():
            later = clock.now() + timedelta(days=1)
            db.session.execute(update(BilledProjectRow).values(stopped_until=later))
            db.session.commit()
            refused(overdue.paying)
            decision = guard.decide(db.session.get_one(Project, overdue.paying), Server)
    finally:
        billing._hooks.guard_rules.clear()

    assert (decision.allowed, decision.reason) == (False, "past_due")


def test_asking_and_creating_agree(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        projects = [db.session.get_one(Project, key) for key in (overdue.paying, overdue.poor)]

        reasons = [guard.decide(project, Server).reason for project in projects]

        assert reasons == ["past_due", "payment_method"]
        assert [project.can_create_resources for project in projects] == [False, True]
        assert guard.decide(projects[0], Zone).reason == "free"


def test_setting_lets_those_who_owe_go_on(app: Flask, database_url: str, overdue: Ids) -> None:
    lenient = create_app(
        database_url, STRIPE_SECRET_KEY="sk_test_guard", BILLING_PAST_DUE_STOPS=False
    )

    with lenient.app_context():
        project = db.session.get_one(Project, overdue.paying)
        assert guard.decide(project, Server).reason == "payment_method"

        create(overdue.paying)

        assert db.session.query(Server).count() == 1
    with app.app_context():
        refused(overdue.paying)


def test_view_is_stopped_before_the_form(app: Flask, overdue: Ids) -> None:
    @app.get("/projects/<int:project_id>/servers/new")
    @billing.payment_method_required(model=Server)
    def new_server(project_id: int) -> str:
        return "the form"

    client = app.test_client()
    path = f"/projects/{overdue.paying}/servers/new"

    program = client.get(path, headers={"Accept": "application/json"})
    person = client.get(path)

    assert program.status_code == 402
    assert program.json is not None
    assert program.json["type"] == "urn:flask-billing:payment-overdue"
    assert program.json["title"] == "An invoice is past due"
    assert "could not be paid" in program.json["detail"]
    assert person.status_code == 303
    assert client.get(f"/projects/{overdue.poor}/servers/new").text == "the form"


def test_debt_that_a_transaction_has_not_seen_stops_it(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        mark(overdue.paying, None)
        query = select(BilledProjectRow.past_due_since).where(
            BilledProjectRow.project_key == str(overdue.paying)
        )
        assert db.session.scalar(query) is None
        with db.engine.begin() as other:
            other.execute(marking(overdue.paying, SINCE))

        refused(overdue.paying)


def test_creation_waits_for_who_notes_a_debt(app: Flask, overdue: Ids) -> None:
    with app.app_context():
        mark(overdue.paying, None)
        outcome: list[Exception | None] = []
        on_its_way = threading.Event()

        def act() -> None:
            with app.app_context():
                try:
                    create(overdue.paying)
                    outcome.append(None)
                except PaymentOverdue as refusal:
                    outcome.append(refusal)
                    db.session.rollback()

        thread = threading.Thread(target=act, daemon=True)
        with db.engine.begin() as other:
            other.execute(marking(overdue.paying, SINCE))
            with watched(lambda _: on_its_way.set()):
                thread.start()
                assert on_its_way.wait(timeout=60)
        thread.join(timeout=60)

        assert [type(each) for each in outcome] == [PaymentOverdue]
        assert db.session.query(Server).count() == 0


def test_debt_costs_no_statement(app: Flask, overdue: Ids) -> None:
    sent: list[str] = []
    with app.app_context():
        db.session.add(Server(project_id=overdue.poor))
        db.session.connection()
        with watched(sent.append):
            db.session.flush()

    assert len([statement for statement in sent if not statement.startswith("INSERT")]) == 1


@contextmanager
def watched(see: Callable[[str], Any]) -> Iterator[None]:
    """Show each statement right before it is sent."""

    def show(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        see(statement)

    event.listen(Engine, "before_cursor_execute", show)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", show)
