"""MariaDB locks gaps where others lock rows; what people do at once ends in no deadlock there."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import Engine, event, insert, select

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    MethodNeeded,
    PaymentMethod,
    PaymentMethodRequired,
    payment_methods,
)
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.host import Project, Seat, Server, create_app, db
from tests.payment_methods.journey import save

pytestmark = [pytest.mark.database, pytest.mark.concurrency]

ROUNDS = 6
AT_ONCE = 4


@pytest.fixture
def app(mariadb_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        mariadb_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": AT_ONCE + 1},
    )
    with app.app_context():
        db.create_all()
        yield app


def sign_up(pause: threading.Event | None = None) -> None:
    db.session.add(Project(name="new"))
    db.session.flush()
    if pause is not None:
        pause.wait(0.02)
    db.session.commit()


def create(model: type[Any], key: int) -> None:
    db.session.add(model(project_id=key))
    db.session.commit()


def projects(count: int) -> list[int]:
    made = [Project(name="one") for _ in range(count)]
    db.session.add_all(made)
    db.session.commit()
    return [project.id for project in made]


def rounds(keys: list[int]) -> list[list[int]]:
    return [keys[n : n + AT_ONCE] for n in range(0, len(keys), AT_ONCE)]


def test_people_sign_up_at_once(app: Flask) -> None:
    # What a transaction does between its flush and its commit, during which it holds its locks.
    still_busy = threading.Event()

    for _ in range(ROUNDS):
        assert at_once(app, *[lambda: sign_up(still_busy)] * AT_ONCE) == [None] * AT_ONCE

    assert len(db.session.scalars(select(BilledProjectRow)).all()) == ROUNDS * AT_ONCE


def test_new_projects_take_their_first_free_seats_at_once(app: Flask) -> None:
    for keys in rounds(projects(ROUNDS * AT_ONCE)):
        acts = [lambda key=key: create(Seat, key) for key in keys]

        assert at_once(app, *acts) == [None] * AT_ONCE


def test_projects_without_a_row_of_ours_create_at_once(app: Flask) -> None:
    info = BillingInfo(stripe_id="cus_1")
    db.session.add(PaymentMethod(stripe_id="pm_1", billing_info=info))
    db.session.commit()
    # As in a host that had its projects long before it had billing: nobody told us of them.
    keys = list(range(1, ROUNDS * AT_ONCE + 1))
    rows = [{"id": key, "name": "old", "billing_info_id": info.id} for key in keys]
    db.session.connection().execute(insert(Project.__table__), rows)
    db.session.commit()

    for some in rounds(keys):
        acts = [lambda key=key: create(Server, key) for key in some]
        assert at_once(app, *acts) == [None] * AT_ONCE

    assert len(db.session.scalars(select(Server)).all()) == ROUNDS * AT_ONCE


def test_people_sign_up_while_others_create(app: Flask, stripe_sandbox: Sandbox) -> None:
    [key] = projects(1)
    save(stripe_sandbox, db.session.get_one(Project, key))
    db.session.commit()

    for _ in range(ROUNDS):
        acts = [sign_up, sign_up, lambda: create(Server, key), lambda: create(Server, key)]
        assert at_once(app, *acts) == [None] * AT_ONCE


@contextmanager
def held_up(name: str) -> Iterator[None]:
    """Make a thread wait after each statement by which it locks, as a busy server would."""
    never = threading.Event()

    def wait(conn: Any, cursor: Any, statement: str, *_: Any) -> None:
        locks = statement.startswith("UPDATE billing_info") or "FOR UPDATE" in statement
        if threading.current_thread().name == name and locks:
            never.wait(0.2)

    event.listen(Engine, "after_cursor_execute", wait)
    yield
    event.remove(Engine, "after_cursor_execute", wait)


def test_removal_and_creation_take_their_locks_in_the_same_order(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    [key] = projects(1)
    method = save(stripe_sandbox, db.session.get_one(Project, key)).payment_method
    assert method is not None
    method_id = method.id
    db.session.commit()

    def remove() -> str:
        threading.current_thread().name = "remover"
        payment_methods.remove(db.session.get_one(Project, key), method_id)
        return "removed"

    def create_meanwhile() -> str:
        threading.Event().wait(0.1)
        create(Server, key)
        return "created"

    with held_up("remover"):
        removed, created = at_once(app, remove, create_meanwhile)

    if removed == "removed":
        assert isinstance(created, PaymentMethodRequired)
    else:
        assert isinstance(removed, MethodNeeded)
        assert created == "created"
