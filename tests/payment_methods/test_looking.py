"""Every payment method is read again once a month, and whoever pays by it is told in time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select, update

from flask_billing import (
    BillingInfo,
    Notification,
    PaymentMethod,
    clock,
    payment_method_expiring,
    payment_methods,
)
from flask_billing.payment_methods import LookReport
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.events.world import make_app
from tests.host import Project, db
from tests.payment_methods.journey import MASTERCARD, save

#: A year that the sandbox's own clock, which is real, is well before.
SAVED, LAST_MONTH = datetime(2031, 3, 20, tzinfo=UTC), datetime(2031, 4, 1, tzinfo=UTC)
EXPIRY = "04 / 31"


@contextmanager
def at(moment: datetime) -> Iterator[None]:
    with clock.moved(lambda: moment):
        yield


@contextmanager
def heard() -> Iterator[list[str]]:
    told: list[str] = []
    with payment_method_expiring.connected_to(
        lambda app, **kw: told.append(kw["payment_method"].stripe_id)
    ):
        yield told


def card(sandbox: Sandbox, project: Project, number: str, **filled_in: Any) -> PaymentMethod:
    with at(SAVED):
        method = save(sandbox, project, number, **filled_in).payment_method
    assert method is not None
    return method


@pytest.fixture
def two(stripe_sandbox: Sandbox, project: Project) -> tuple[PaymentMethod, PaymentMethod]:
    """One that runs out in April 2031, and one that does not."""
    first = card(stripe_sandbox, project, "4242424242424242", exp=EXPIRY)
    return first, card(stripe_sandbox, project, MASTERCARD, exp="12 / 39")


def topics() -> set[tuple[str, str]]:
    found = db.session.execute(select(Notification.topic, Notification.role))
    return {(row.topic, row.role) for row in found}


def test_method_is_told_of_once_in_the_month_in_which_it_ends(
    two: tuple[PaymentMethod, PaymentMethod],
) -> None:
    with heard() as told:
        with at(LAST_MONTH - timedelta(seconds=1)):
            assert payment_methods.look_again() == LookReport()
        with at(LAST_MONTH):
            assert payment_methods.look_again() == LookReport(looked=2, expiring=1)
            assert payment_methods.look_again() == LookReport()
        with at(LAST_MONTH + timedelta(days=29)):
            assert payment_methods.look_again() == LookReport()

    assert told == [two[0].stripe_id]
    topic = f"expiring:{two[0].id}:2031-04"
    assert topics() == {(topic, "members"), (topic, "billing")}


def test_second_look_in_the_same_month_tells_nobody_again(
    two: tuple[PaymentMethod, PaymentMethod],
) -> None:
    with heard() as told, at(LAST_MONTH + timedelta(days=3)):
        payment_methods.look_again()
        db.session.execute(update(PaymentMethod).values(looked_at=None))
        db.session.commit()
        assert payment_methods.look_again() == LookReport(looked=2, expiring=1)

    assert len(told) == 1


def test_look_writes_the_consequence(two: tuple[PaymentMethod, PaymentMethod]) -> None:
    with at(LAST_MONTH + timedelta(days=31)):
        payment_methods.look_again()
    db.session.expire_all()

    assert [method.usable for method in two] == [False, True]
    assert topics() == set()


def test_method_that_we_refuse_is_not_told_of(two: tuple[PaymentMethod, PaymentMethod]) -> None:
    two[0].refusal = "disputed"
    db.session.commit()

    with heard() as told, at(LAST_MONTH):
        assert payment_methods.look_again() == LookReport(looked=2)

    assert told == []


def test_look_that_fails_is_due_again_within_the_hour(
    two: tuple[PaymentMethod, PaymentMethod], stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.begin_outage()
    with at(LAST_MONTH):
        assert payment_methods.look_again() == LookReport(failed=2)
        assert payment_methods.look_again() == LookReport()
    stripe_sandbox.end_outage()
    with at(LAST_MONTH + timedelta(minutes=61)):
        assert payment_methods.look_again() == LookReport(looked=2, expiring=1)


def test_so_many_are_looked_at_as_are_asked_for(two: tuple[PaymentMethod, PaymentMethod]) -> None:
    with at(LAST_MONTH):
        assert payment_methods.look_again(1).looked == 1
        assert payment_methods.look_again(stop=lambda: True) == LookReport()
        assert payment_methods.look_again(5).looked == 1


def test_receiver_that_fails_keeps_nobody_from_a_look(
    two: tuple[PaymentMethod, PaymentMethod],
) -> None:
    def fail(app: Flask, **about: Any) -> None:
        raise RuntimeError

    with payment_method_expiring.connected_to(fail), at(LAST_MONTH):
        assert payment_methods.look_again() == LookReport(looked=2, expiring=1)


@pytest.mark.database
@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_nobody_walks_through_all_methods_to_find_those_that_are_due(
    server: str, request: pytest.FixtureRequest, stripe_sandbox: Sandbox
) -> None:
    app = make_app(request.getfixturevalue(f"{server}_url"), stripe_sandbox)
    asked: list[tuple[str, Any]] = []

    def listen(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        if "looked_at IS NULL" in statement:
            asked.append((statement, values))

    with app.app_context(), at(LAST_MONTH - timedelta(days=1)):
        payers = [BillingInfo(stripe_id=f"cus_{n}") for n in range(2000)]
        methods = [
            PaymentMethod(stripe_id=f"pm_{n}", billing_info=payer) for n, payer in enumerate(payers)
        ]
        db.session.add_all(methods)
        db.session.commit()
        of_server = {"postgresql": "ANALYZE", "mariadb": "ANALYZE TABLE payment_method"}
        db.session.connection().exec_driver_sql(of_server[server])
        event.listen(db.engine, "before_cursor_execute", listen)
        assert payment_methods.look_again() == LookReport()
        event.remove(db.engine, "before_cursor_execute", listen)

        [(statement, values)] = asked
        plan = db.session.connection().exec_driver_sql(f"EXPLAIN {statement}", values).all()

    assert "payment_method_looked_at_idx" in repr(plan)


@pytest.mark.database
@pytest.mark.concurrency
@pytest.mark.parametrize("server", ["postgresql", "mariadb"])
def test_four_who_look_at_once_share_the_work(
    server: str, request: pytest.FixtureRequest, stripe_sandbox: Sandbox
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    app = make_app(url, stripe_sandbox, SQLALCHEMY_ENGINE_OPTIONS={"pool_size": 10})
    with app.app_context():
        project = Project(name="one")
        db.session.add(project)
        db.session.commit()
        card(stripe_sandbox, project, "4242424242424242", exp=EXPIRY)
        card(stripe_sandbox, project, MASTERCARD, exp=EXPIRY)

        with heard() as told, at(LAST_MONTH):
            reports = at_once(app, *[payment_methods.look_again] * 4)

        assert sum(reports, LookReport()) == LookReport(looked=2, expiring=2), reports
        assert len(told) == 2
        assert len(topics()) == 4
