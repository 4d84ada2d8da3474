"""Who may create: off, internal, the host's rules, a usable method of this key, what is free."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update
from sqlalchemy.engine import Engine

from flask_billing import (
    BillingInfo,
    GatewayAccount,
    PaymentMethod,
    PaymentMethodRequired,
    Settings,
    guard,
)
from flask_billing.state import current
from tests.guard.conftest import Ids
from tests.host import Database, Project, Seat, Server, Zone, billing, db


@pytest.fixture
def statements(app: Flask) -> Iterator[list[str]]:
    """Collect what is sent to the database, but for the words that frame a transaction."""
    seen: list[str] = []

    def remember(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", remember)
    yield seen
    event.remove(Engine, "before_cursor_execute", remember)


@pytest.fixture
def rules() -> Iterator[list[Any]]:
    """The host's rules, forgotten after the test."""
    yield billing._hooks.guard_rules
    billing._hooks.guard_rules.clear()


def create(key: int) -> None:
    db.session.add(Server(project_id=key))
    db.session.commit()


def change(model: type[Any], **values: Any) -> None:
    db.session.execute(update(model).values(**values))
    db.session.commit()


def test_one_statement_for_many_rows_projects_and_kinds(
    app: Flask, ids: Ids, statements: list[str]
) -> None:
    with app.app_context():
        info = db.session.get_one(Project, ids.paying).billing_info
        keys = [Project(name=f"p{n}", billing_info=info) for n in range(5)]
        db.session.add_all(keys)
        db.session.commit()
        rows = [kind(project_id=p.id) for p in keys for kind in (Server, Database) for _ in "ab"]
        db.session.add_all(rows)
        db.session.connection()
        statements.clear()
        db.session.flush()

        inserts = [s for s in statements if s.startswith("INSERT")]
        assert len(statements) - len(inserts) == 1


def test_one_statement_for_one_row(app: Flask, ids: Ids, statements: list[str]) -> None:
    with app.app_context():
        db.session.add(Server(project_id=ids.paying))
        statements.clear()
        db.session.flush()

        assert [s.split()[0] for s in statements if not s.startswith("INSERT")] in (
            ["SELECT"],
            ["UPDATE"],
        )


def test_no_statement_for_what_is_not_billable(app: Flask, ids: Ids, statements: list[str]) -> None:
    with app.app_context():
        db.session.add(Zone(project_id=ids.poor))
        statements.clear()
        db.session.flush()

        assert all(s.startswith("INSERT INTO zone") for s in statements)


@pytest.mark.parametrize(
    ("model", "values"),
    [
        (PaymentMethod, {"usable": False}),
        (PaymentMethod, {"refusal": "banned"}),
        (PaymentMethod, {"leaving_at": datetime(2026, 1, 1, tzinfo=UTC)}),
        (PaymentMethod, {"removed_at": datetime(2026, 1, 1, tzinfo=UTC), "position": None}),
        (BillingInfo, {"removed_at": datetime(2026, 1, 1, tzinfo=UTC)}),
        (BillingInfo, {"livemode": True}),
        (Project, {"billing_info_id": None}),
    ],
)
def test_method_that_cannot_be_charged_does_not_open_the_guard(
    app: Flask, ids: Ids, model: type[Any], values: dict[str, Any]
) -> None:
    with app.app_context():
        change(model, **values)

        assert not db.session.get_one(Project, ids.paying).can_create_resources
        with pytest.raises(PaymentMethodRequired):
            create(ids.paying)


def test_test_cards_do_not_open_the_guard_of_a_live_key(app: Flask, ids: Ids) -> None:
    with app.app_context():
        current().settings = Settings(secret_key="sk_live_key")

        with pytest.raises(PaymentMethodRequired):
            create(ids.paying)
        db.session.rollback()
        change(BillingInfo, livemode=True)
        create(ids.paying)


def test_cards_of_another_account_do_not_open_the_guard(app: Flask, ids: Ids) -> None:
    with app.app_context():
        digest = current().settings.key_digest
        db.session.add(GatewayAccount(key_digest=digest, account_id="acct_mine"))
        change(BillingInfo, account_id="acct_other")

        assert not db.session.get_one(Project, ids.paying).can_create_resources
        with pytest.raises(PaymentMethodRequired):
            create(ids.paying)
        db.session.rollback()
        change(BillingInfo, account_id="acct_mine")
        create(ids.paying)


def test_new_key_of_the_same_account_keeps_the_guard_open(app: Flask, ids: Ids) -> None:
    with app.app_context():
        change(BillingInfo, account_id="acct_mine")
        current().settings = Settings(secret_key="sk_test_rotated")

        create(ids.paying)


def test_project_linked_by_raw_sql_is_seen(app: Flask, ids: Ids) -> None:
    with app.app_context():
        info_id = db.session.scalars(select(BillingInfo.id)).one()
        change(Project, billing_info_id=info_id)

        create(ids.poor)


def test_rule_lets_a_project_pass(app: Flask, ids: Ids, rules: list[Any]) -> None:
    asked: list[tuple[str, str, int]] = []

    @billing.guard_rule
    def on_terms(project: Project, model: type[Any], count: int) -> bool | None:
        asked.append((project.name, model.__name__, count))
        return True if project.name == "poor" else None

    with app.app_context():
        db.session.add_all([Server(project_id=ids.poor), Server(project_id=ids.poor)])
        db.session.commit()
        create(ids.paying)

        assert asked == [("poor", "Server", 2), ("paying", "Server", 1)]


def test_rule_forbids_even_what_could_be_paid(app: Flask, ids: Ids, rules: list[Any]) -> None:
    billing.guard_rule(lambda project, model, count: None)
    billing.guard_rule(lambda project, model, count: False)
    billing.guard_rule(lambda project, model, count: True)

    with app.app_context():
        assert guard.decide(db.session.get_one(Project, ids.paying)).reason == "rule_refused"
        with pytest.raises(PaymentMethodRequired):
            create(ids.paying)


def test_rule_is_asked_for_core_statements_too(app: Flask, ids: Ids, rules: list[Any]) -> None:
    billing.guard_rule(lambda project, model, count: project.name == "poor")

    with app.app_context():
        connection = db.session.connection()
        connection.execute(Server.__table__.insert(), {"name": "a", "project_id": ids.poor})
        with pytest.raises(PaymentMethodRequired):
            connection.execute(Server.__table__.insert(), {"name": "a", "project_id": ids.paying})


@pytest.mark.parametrize(
    ("who", "model", "reason"),
    [
        ("paying", None, "payment_method"),
        ("poor", None, "none"),
        ("poor", Zone, "free"),
        ("poor", Seat, "free_quantity"),
        ("poor", Server, "none"),
    ],
)
def test_decision_says_why(
    app: Flask, ids: Ids, who: str, model: type[Any] | None, reason: str
) -> None:
    with app.app_context():
        project = db.session.get_one(Project, getattr(ids, who))

        assert guard.decide(project, model).reason == reason


def test_predicate_and_guard_agree(app: Flask, ids: Ids) -> None:
    with app.app_context():
        for change_to in ({}, {"usable": False}, {"usable": True}, {"refusal": "declined"}):
            if change_to:
                change(PaymentMethod, **change_to)
            project = db.session.get_one(Project, ids.paying)
            expected = project.can_create_resources
            found = db.session.scalars(select(Project).where(Project.has_payment_method)).all()
            try:
                create(ids.paying)
                created = True
            except PaymentMethodRequired:
                db.session.rollback()
                created = False
            assert created == expected == (project in found)


def test_outside_an_app_context_the_guard_refuses(app: Flask, ids: Ids) -> None:
    with app.app_context():
        engine = db.engine

    with (
        engine.connect() as connection,
        pytest.raises(RuntimeError, match="app context"),
    ):
        connection.execute(Server.__table__.insert(), {"name": "a", "project_id": ids.paying})
