"""What happens at the same moment, on databases that really do two things at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from flask_billing import (
    BillingInfo,
    MethodNeeded,
    PaymentMethod,
    PaymentMethodRequired,
    SetupSession,
    payment_methods,
)
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.host import Project, Seat, Server, create_app, db
from tests.payment_methods.journey import AMEX, MASTERCARD, attached, order, save, start

ROUNDS = 12


@pytest.fixture(params=["postgresql", "mariadb"])
def app(request: pytest.FixtureRequest, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        request.getfixturevalue(f"{request.param}_url"),
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10},
    )
    with app.app_context():
        db.create_all()
        yield app


def new_project() -> int:
    project = Project(name="one")
    db.session.add(project)
    db.session.commit()
    return project.id


def get(key: int) -> Project:
    return db.session.get_one(Project, key)


def assert_fine(outcomes: list[Any]) -> None:
    assert [outcome for outcome in outcomes if isinstance(outcome, Exception)] == []


def test_two_completions_at_once_save_one_card(app: Flask, stripe_sandbox: Sandbox) -> None:
    for _ in range(ROUNDS):
        key = new_project()
        session_id = start(get(key))
        stripe_sandbox.complete_checkout(session_id)
        db.session.commit()

        done = at_once(
            app,
            *[lambda: payment_methods.complete(get(key), session_id).is_new] * 4,  # noqa: B023
        )

        assert sorted(done) == [False, False, False, True]
        assert len(order(get(key))) == len(attached(stripe_sandbox, get(key))) == 1
    assert len(db.session.scalars(select(BillingInfo)).all()) == ROUNDS


def test_two_tabs_get_one_page(app: Flask, stripe_sandbox: Sandbox) -> None:
    for _ in range(ROUNDS):
        key = new_project()

        pages = at_once(app, *[lambda: start(get(key))] * 4)  # noqa: B023

        assert_fine(pages)
        assert len(set(pages)) == 1
    sessions = db.session.scalars(select(SetupSession)).all()
    assert len(sessions) == ROUNDS


def test_two_cards_saved_at_once_by_projects_that_share(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    for _ in range(ROUNDS):
        one, two = new_project(), new_project()
        save(stripe_sandbox, get(one))
        get(one).share_billing_info_with(get(two))
        first, second = start(get(one)), start(get(two))
        stripe_sandbox.complete_checkout(first, card=MASTERCARD)
        stripe_sandbox.complete_checkout(second, card=AMEX)
        db.session.commit()

        done = at_once(
            app,
            lambda: payment_methods.complete(get(one), first).state,  # noqa: B023
            lambda: payment_methods.complete(get(two), second).state,  # noqa: B023
        )

        assert done == ["complete", "complete"]
        assert len(order(get(one))) == 3


def test_card_is_removed_or_resource_created_never_both(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    def create(key: int) -> str:
        db.session.add(Server(project_id=key))
        db.session.commit()
        return "created"

    def remove(key: int, method_id: Any) -> str:
        payment_methods.remove(get(key), method_id)
        return "removed"

    winners = set()
    for _ in range(ROUNDS * 2):
        key = new_project()
        method = save(stripe_sandbox, get(key)).payment_method
        assert method is not None
        method_id = method.id
        db.session.commit()

        created, removed = at_once(app, lambda: create(key), lambda: remove(key, method_id))  # noqa: B023

        if created == "created":
            assert isinstance(removed, MethodNeeded)
            assert get(key).can_create_resources
        else:
            assert isinstance(created, PaymentMethodRequired)
            assert removed == "removed"
            assert get(key).servers == []
        winners.add(created == "created")
    assert winners, "nobody ever won"


def test_removal_waits_for_a_creation_under_way(app: Flask, stripe_sandbox: Sandbox) -> None:
    key = new_project()
    method = save(stripe_sandbox, get(key)).payment_method
    assert method is not None
    method_id = method.id
    db.session.commit()
    db.session.add(Server(project_id=key))
    db.session.flush()
    outcomes: list[Any] = []

    def remove() -> None:
        with app.app_context():
            try:
                outcomes.append(payment_methods.remove(get(key), method_id))
            except MethodNeeded as error:
                outcomes.append(error)

    remover = threading.Thread(target=remove)
    remover.start()
    remover.join(timeout=0.5)
    assert outcomes == []
    db.session.commit()
    remover.join(timeout=30)

    assert isinstance(outcomes[0], MethodNeeded)
    assert len(get(key).servers) == 1


def test_creation_waits_for_a_removal_under_way(app: Flask, stripe_sandbox: Sandbox) -> None:
    from flask_billing.payment_methods.removing import mark_leaving
    from flask_billing.transactions import begin

    key = new_project()
    method = save(stripe_sandbox, get(key)).payment_method
    assert method is not None
    begin(method.billing_info_id, str(key))
    mark_leaving(method)
    outcomes: list[Any] = []

    def create() -> None:
        with app.app_context():
            # A transaction that looked around before: its snapshot still has the card.
            assert get(key).payment_methods
            db.session.add(Server(project_id=key))
            try:
                db.session.commit()
            except PaymentMethodRequired as error:
                outcomes.append(error)

    creator = threading.Thread(target=create)
    creator.start()
    creator.join(timeout=0.5)
    assert outcomes == []
    db.session.commit()
    creator.join(timeout=30)

    assert isinstance(outcomes[0], PaymentMethodRequired)
    assert get(key).servers == []


def test_free_quantity_holds_under_concurrency(app: Flask) -> None:
    def create(key: int) -> str:
        db.session.scalars(select(Seat)).all()
        db.session.add(Seat(project_id=key))
        db.session.commit()
        return "created"

    for _ in range(ROUNDS):
        key = new_project()
        db.session.commit()

        outcomes = at_once(app, *[lambda: create(key)] * 4)  # noqa: B023

        assert outcomes.count("created") == 2
        assert all(isinstance(o, PaymentMethodRequired) for o in outcomes if o != "created")


def test_order_changes_at_once_leave_no_gap(app: Flask, stripe_sandbox: Sandbox) -> None:
    key = new_project()
    for card in ("4242424242424242", MASTERCARD, AMEX, "6011111111111117"):
        save(stripe_sandbox, get(key), card)
    ids = [method.id for method in get(key).payment_methods]
    db.session.commit()

    for _ in range(ROUNDS):
        moves = [
            lambda method_id=method_id, way=way: payment_methods.move(
                get(key), method_id, direction=way
            )
            for method_id, way in zip(ids, ("down", "up", "up", "up"), strict=True)
        ]
        assert_fine(at_once(app, *moves))

        assert len(order(get(key))) == 4
        assert {m.id for m in db.session.scalars(select(PaymentMethod))} == set(ids)


def test_creations_of_one_project_do_not_deadlock(app: Flask, stripe_sandbox: Sandbox) -> None:
    one, two = new_project(), new_project()
    save(stripe_sandbox, get(one))
    get(one).share_billing_info_with(get(two))
    db.session.commit()

    def create(first: int, second: int) -> None:
        db.session.add_all([Server(project_id=first), Server(project_id=second)])
        db.session.commit()

    for _ in range(ROUNDS):
        assert_fine(
            at_once(
                app, lambda: create(one, two), lambda: create(two, one), lambda: create(one, one)
            )
        )
