"""What Harbour's projects use is recorded, and no view of Harbour does it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.example_app.visitor import Visitor, new_project, new_token, save_card

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    MakeVisitor = Callable[[], Visitor]
    Ask = Callable[..., list[tuple[Any, ...]]]

# SQLite keeps quantities in millionths.
RECORDS = """
    SELECT slot, name, quantity / 1000000, ended_at IS NULL
    FROM billing_record JOIN billing_rate ON rate_id = billing_rate.id
    WHERE project_key = ? ORDER BY started_at, slot
"""
EVENTS = """
    SELECT name, quantity / 1000000, event_count
    FROM billing_usage_total JOIN billing_rate ON rate_id = billing_rate.id
    WHERE project_key = ?
"""


@pytest.fixture
def ask(harbour: str, harbour_database: Path) -> Ask:
    """Reads Harbour's tables."""

    def read(query: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(harbour_database)) as connection:
            return connection.execute(query, parameters).fetchall()

    return read


@pytest.fixture
def owner(sign_up: MakeVisitor) -> Visitor:
    return sign_up()


@pytest.fixture
def project(owner: Visitor) -> str:
    """The path of a project that can pay."""
    path = new_project(owner)
    save_card(owner, owner.get(f"{path}/billing"))
    return path


def create(owner: Visitor, project: str, kind: str, name: str, size: str) -> None:
    form = owner.get(f"{project}/{kind}s/new")
    assert owner.submit(form, f"Create {kind}", name=name, size=size).status_code == 303


def test_servers_and_databases_are_recorded_by_size_while_they_exist(
    owner: Visitor, project: str, ask: Ask
) -> None:
    create(owner, project, "server", "web-1", "small")
    create(owner, project, "database", "main", "standard")
    [database] = ask("SELECT id FROM database WHERE project_id = ?", key_of(project))

    page = owner.get(f"{project}/databases/{database[0]}/delete")
    owner.submit(page, "Delete main")

    assert ask(RECORDS, key_of(project)) == [
        ("compute", "server.small", 1, 1),
        ("compute", "database.standard", 1, 0),
        ("storage", "database.storage", 80, 0),
    ]


def test_resized_server_costs_what_its_new_size_costs(
    owner: Visitor, project: str, ask: Ask
) -> None:
    create(owner, project, "server", "web-1", "small")
    create(owner, project, "server", "web-2", "small")
    first, _ = ask("SELECT id FROM server WHERE project_id = ? ORDER BY id", key_of(project))

    page = owner.get(f"{project}/servers/{first[0]}/resize")
    done = owner.submit(page, "Resize web-1", size="standard-4")

    assert done.headers["Location"] == project
    assert ask(RECORDS, key_of(project)) == [
        ("compute", "server.small", 1, 0),
        ("compute", "server.small", 1, 1),
        ("compute", "server.standard-4", 1, 1),
    ]


@pytest.mark.parametrize("size", ["", "gigantic"])
def test_size_that_there_is_not_changes_nothing(
    owner: Visitor, project: str, ask: Ask, size: str
) -> None:
    create(owner, project, "server", "web-1", "small")
    [server] = ask("SELECT id FROM server WHERE project_id = ?", key_of(project))

    page = owner.get(f"{project}/servers/{server[0]}/resize")
    refused = owner.submit(page, "Resize web-1", size=size)

    assert refused.status_code == 422
    assert ask(RECORDS, key_of(project)) == [("compute", "server.small", 1, 1)]


def test_page_of_a_project_that_can_pay_does_not_ask_for_a_card_when_a_limit_stops_it(
    harbour_database: Path, owner: Visitor, project: str
) -> None:
    statement = "UPDATE billed_project SET stopped_until = '2999-01-01' WHERE project_key = ?"
    with closing(sqlite3.connect(harbour_database)) as connection, connection:
        connection.execute(statement, [key_of(project)])

    page = owner.get(project)
    form = owner.get(f"{project}/servers/new")

    assert "need a payment method" not in page.text
    assert "can be created right now" in page.text
    assert form.status_code == 303


def test_each_answered_call_of_the_api_is_counted_once(
    harbour: str, owner: Visitor, project: str, ask: Ask
) -> None:
    other = new_project(owner, "Another one")
    headers = {"Authorization": f"Bearer {new_token(owner)}"}
    machines = f"{harbour}/api{project}/servers"
    wanted = {"name": "one", "size": "small"}

    made = requests.post(machines, json=wanted, headers=headers, timeout=30)
    listed = requests.get(machines, headers=headers, timeout=30)
    address = f"{machines}/{made.json()['id']}"
    deleted = requests.delete(address, headers=headers, timeout=30)

    assert [made.status_code, listed.status_code, deleted.status_code] == [201, 200, 204]
    assert ask(EVENTS, key_of(project)) == [("api.call", 3, 3)]
    assert ask(EVENTS, key_of(other)) == []


def test_refused_call_is_not_counted(
    harbour: str, owner: Visitor, sign_up: MakeVisitor, project: str, ask: Ask
) -> None:
    cannot_pay = new_project(owner, "Without a card")
    stranger = {"Authorization": f"Bearer {new_token(sign_up())}"}
    headers = {"Authorization": f"Bearer {new_token(owner)}"}
    servers = f"{harbour}/api{project}/servers"
    wanted = {"name": "one", "size": "small"}

    answers = [
        requests.get(servers, headers=stranger, timeout=30),
        requests.get(servers, headers={"Authorization": "Bearer wrong"}, timeout=30),
        requests.post(servers, json={"name": "One!"}, headers=headers, timeout=30),
        requests.delete(f"{servers}/2147483647", headers=headers, timeout=30),
        requests.post(
            f"{harbour}/api{cannot_pay}/servers", json=wanted, headers=headers, timeout=30
        ),
    ]

    assert [answer.status_code for answer in answers] == [404, 401, 422, 404, 402]
    assert ask(EVENTS, key_of(project)) == ask(EVENTS, key_of(cannot_pay)) == []


def test_call_is_answered_where_it_cannot_be_counted(
    run_python: Callable[[str], str], sqlite_url: str
) -> None:
    printed = run_python(
        f"""
        import logging

        from sqlalchemy import text

        from example_app import create_app
        from example_app.extensions import db
        from example_app.models import ApiToken, Membership, Project, Role, User

        app = create_app(
            {{
                "SECRET_KEY": "a secret of the tests",
                "SQLALCHEMY_DATABASE_URI": "{sqlite_url}",
                "STRIPE_SECRET_KEY": "sk_test_nobody",
            }}
        )
        logged = []
        app.logger.handlers = [logging.Handler()]
        app.logger.handlers[0].emit = logged.append
        with app.app_context():
            db.create_all()
            ada = User(name="Ada", email="ada@example.com", password_hash="")
            token, secret = ApiToken.issue(ada, "a program")
            engine = Project(name="Engine", memberships=[Membership(user=ada, role=Role.OWNER)])
            db.session.add_all([ada, token, engine])
            db.session.commit()
            db.session.execute(text("DROP TABLE billing_usage"))
            db.session.commit()
        program = app.test_client()
        headers = {{"Authorization": f"Bearer {{secret}}"}}
        answers = [program.get("/api/projects/1/servers", headers=headers) for _ in range(2)]
        print([answer.json for answer in answers], [each.getMessage() for each in logged])
        assert not any(each.exc_info for each in logged)  # it holds the statement
        with app.app_context():
            db.engine.dispose()
        """
    )

    missed = "A call of project 1 was not counted: OperationalError."
    assert printed.strip() == f"{[{'servers': []}] * 2} {[missed] * 2}"


def key_of(project: str) -> str:
    return project.rpartition("/")[2]
