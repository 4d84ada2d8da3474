"""Whatever happens on the way, everything that was begun comes to an end, and to the right one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import stripe
from flask import Flask
from sqlalchemy import select

from flask_billing import (
    NotOurs,
    PaymentMethodRequired,
    SetupSession,
    customers,
    payment_method_added,
    payment_methods,
)
from flask_billing.gateways import RemoteSetupSession
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, Server, db
from tests.payment_methods.journey import (
    CANCEL_URL,
    MASTERCARD,
    RETURN_URL,
    VISA,
    attached,
    order,
    rows,
    save,
    start,
)

DAY = 24 * 60 * 60


def set_up(**changes: Any) -> None:
    for name, value in changes.items():
        object.__setattr__(current().settings, name, value)


def client(sandbox: Sandbox) -> stripe.StripeClient:
    return stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})


def new_project(name: str = "one") -> Project:
    project = Project(name=name)
    db.session.add(project)
    db.session.commit()
    return project


def again(project: Project) -> Project:
    """Delete a project and make another, to which the database gives the same key."""
    key = project.id
    db.session.delete(project)
    db.session.commit()
    successor = new_project("successor")
    assert successor.id == key
    return successor


def session_of(session_id: str) -> SetupSession:
    found = select(SetupSession).where(SetupSession.stripe_id == session_id)
    return db.session.scalars(found, execution_options={"populate_existing": True}).one()


class SlowBank:
    """A gateway whose setup sessions are not decided when the page is done.

    Of debits the bank decides days later, and the local Stripe knows only cards.
    """

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        #: What the session looks like instead; empty once the bank has agreed.
        self.answer: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def setup_session(self, stripe_id: str) -> RemoteSetupSession:
        remote: RemoteSetupSession = self._gateway.setup_session(stripe_id)
        return replace(remote, **self.answer) if remote.state == "complete" else remote


@pytest.fixture
def slow_bank(app: Flask) -> SlowBank:
    slow_bank = SlowBank(current().gateway)
    current().__dict__["gateway"] = slow_bank
    return slow_bank


PROCESSING = {"succeeded": False, "processing": True}
FAILED = {"succeeded": False, "processing": False, "payment_method": None}


def test_internal_projects_successor_is_not_internal(app: Flask) -> None:
    internal = new_project()
    internal.billable = False
    db.session.commit()

    successor = again(internal)

    assert successor.billable
    assert not successor.can_create_resources
    db.session.add(Server(project=successor))
    with pytest.raises(PaymentMethodRequired):
        db.session.commit()


def test_successor_does_not_get_the_page_of_the_project_before(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    first = payment_methods.start(project, return_url=RETURN_URL, cancel_url=CANCEL_URL)

    successor = again(project)

    assert payment_methods.start(successor, return_url=RETURN_URL, cancel_url=CANCEL_URL) != first


def test_card_typed_in_the_old_tab_is_let_go(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    old_tab = start(project)
    successor = again(project)
    own_tab = start(successor)
    stripe_sandbox.complete_checkout(old_tab, card=VISA)

    moved_clock.shift(300)
    payment_methods.sweep()

    assert order(successor) == []
    assert not successor.can_create_resources
    [method] = rows()
    assert method.removed_at is not None
    found = client(stripe_sandbox).v1.payment_methods.retrieve(method.stripe_id)
    assert found.customer is None
    stripe_sandbox.complete_checkout(own_tab, card=MASTERCARD)
    assert payment_methods.complete(successor, own_tab).state == "complete"
    assert len(order(successor)) == 1


def test_successor_cannot_complete_the_old_tab(stripe_sandbox: Sandbox, project: Project) -> None:
    old_tab = start(project)
    successor = again(project)
    stripe_sandbox.complete_checkout(old_tab, card=VISA)

    with pytest.raises(NotOurs):
        payment_methods.complete(successor, old_tab)
    assert not successor.can_create_resources


def test_start_begins_anew_where_the_customer_was_deleted(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    save(stripe_sandbox, project)
    before = project.billing_info
    assert before is not None
    client(stripe_sandbox).v1.customers.delete(before.stripe_id)

    saved = save(stripe_sandbox, project, MASTERCARD)

    assert saved.state == "complete"
    assert project.billing_info is not before
    assert before.removed_at is not None
    assert set(order(project)) == attached(stripe_sandbox, project)
    assert project.can_create_resources


def test_guard_closes_once_someone_sees_that_the_customer_was_deleted(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    save(stripe_sandbox, project)
    assert project.billing_info is not None
    client(stripe_sandbox).v1.customers.delete(project.billing_info.stripe_id)

    customers.live_details(project.billing_info)

    assert not project.can_create_resources
    assert not project.has_payment_method
    assert order(project) == []
    db.session.add(Server(project=project))
    with pytest.raises(PaymentMethodRequired):
        db.session.commit()


def test_card_that_comes_after_its_session_was_superseded_is_let_go(
    stripe_sandbox: Sandbox,
    project: Project,
    other: Project,
    slow_bank: SlowBank,
    moved_clock: Any,
) -> None:
    save(stripe_sandbox, other)
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id, card=MASTERCARD)
    slow_bank.answer = PROCESSING
    other.share_billing_info_with(project)
    assert session_of(session_id).state == "superseded"

    slow_bank.answer = {}
    moved_clock.shift(300)
    payment_methods.sweep()

    late = slow_bank.setup_session(session_id).payment_method
    assert late is not None
    assert late.customer_id is None
    assert late.stripe_id not in order(project)
    assert project.billing_info is other.billing_info
    assert payment_methods.complete(project, session_id).state == "superseded"


@pytest.mark.parametrize("who", ["return page", "sweeper"])
def test_bank_that_refuses_after_the_page_ends_the_session(
    stripe_sandbox: Sandbox, project: Project, slow_bank: SlowBank, moved_clock: Any, who: str
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id)
    slow_bank.answer = FAILED

    if who == "return page":
        assert payment_methods.complete(project, session_id).state == "expired"
    else:
        moved_clock.shift(300)
        assert payment_methods.sweep().expired == 1

    assert session_of(session_id).open_marker is None
    assert rows() == []
    slow_bank.answer = {}
    assert save(stripe_sandbox, project).state == "complete"


def test_bank_that_takes_its_time_is_waited_for(
    stripe_sandbox: Sandbox, project: Project, slow_bank: SlowBank, moved_clock: Any
) -> None:
    session_id = start(project)
    stripe_sandbox.complete_checkout(session_id)
    slow_bank.answer = PROCESSING
    moved_clock.shift(3 * DAY)
    payment_methods.sweep()
    assert payment_methods.complete(project, session_id).state == "processing"

    slow_bank.answer = {}

    assert payment_methods.sweep().completed == 1
    assert project.can_create_resources


def test_replacement_keeps_the_old_card_until_it_is_found_good(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    old = save(stripe_sandbox, project).payment_method
    db.session.add(Server(project=project))
    db.session.commit()
    set_up(preauthorization=100)
    stripe_sandbox.fail("POST /v1/payment_intents", how="error_500_after")
    new = save(stripe_sandbox, project, exp="11/36").payment_method
    assert old is not None
    assert new is not None

    assert new.refusal == "checking"
    assert old.is_usable
    assert project.can_create_resources
    assert order(project) == [old.stripe_id, new.stripe_id]

    moved_clock.shift(300)
    payment_methods.sweep()

    assert order(project) == [new.stripe_id]
    assert attached(stripe_sandbox, project) == {new.stripe_id}
    assert project.can_create_resources


def test_checking_ends_where_preauthorisation_was_switched_off(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    method = save(stripe_sandbox, project).payment_method
    assert method is not None
    # As a crash leaves it between saving the method and asking for the hold.
    method.refusal = "checking"
    db.session.commit()
    assert not project.can_create_resources

    moved_clock.shift(300)
    report = payment_methods.sweep()

    assert report.failed == 0
    assert [found.refusal for found in project.payment_methods] == [None]
    assert project.can_create_resources


def test_receiver_that_raises_does_not_stop_the_sweep(
    stripe_sandbox: Sandbox, app: Flask, moved_clock: Any
) -> None:
    def receive(*_: Any, **__: Any) -> None:
        raise ValueError("a mistake of the host")

    projects = [new_project(name) for name in ("one", "two", "three")]
    for project in projects:
        stripe_sandbox.complete_checkout(start(project))
    moved_clock.shift(300)

    with payment_method_added.connected_to(receive):
        report = payment_methods.sweep()

    assert report.failed == 3
    open_sessions = select(SetupSession).where(SetupSession.open_marker == 1)
    assert db.session.scalars(open_sessions).all() == []
    assert all(project.can_create_resources for project in projects)


VERBS: dict[str, Callable[[Project, Project, Any], Any]] = {
    "start": lambda project, other, method_id: start(project),
    "complete": lambda project, other, method_id: payment_methods.complete(project, "cs_test_a"),
    "move": lambda project, other, method_id: payment_methods.move(
        project, method_id, direction="up"
    ),
    "remove": lambda project, other, method_id: payment_methods.remove(project, method_id),
    "share": lambda project, other, method_id: project.share_billing_info_with(other),
    "sweep": lambda project, other, method_id: payment_methods.sweep(),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_verb_inside_a_savepoint_is_refused_and_commits_nothing(
    stripe_sandbox: Sandbox,
    project: Project,
    other: Project,
    verb: Callable[[Project, Project, Any], Any],
) -> None:
    method = save(stripe_sandbox, project).payment_method
    assert method is not None
    method_id = method.id
    db.session.commit()
    project.name = "changed by the host"
    db.session.flush()

    savepoint = db.session.begin_nested()
    with pytest.raises(RuntimeError, match="savepoint"):
        verb(project, other, method_id)
    assert savepoint.is_active
    db.session.rollback()

    assert db.session.get_one(Project, project.id).name == "one"


def test_unsaved_project_cannot_create(app: Flask) -> None:
    unsaved, pending = Project(name="unsaved"), Project(name="pending")
    db.session.add(pending)

    with db.session.no_autoflush:
        for project in (unsaved, pending):
            assert project.billable
            assert project.payment_methods == []
            assert not project.has_payment_method
            assert not project.can_create_resources


def test_unsaved_project_may_be_internal(app: Flask) -> None:
    unsaved = Project(name="unsaved")
    unsaved.billable = False

    assert unsaved.can_create_resources


def test_detached_project_answers_and_is_not_changed(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    save(stripe_sandbox, project)
    db.session.refresh(project)
    db.session.expunge(project)

    assert project.has_payment_method
    assert project.can_create_resources
    assert len(project.payment_methods) == 1
    with pytest.raises(RuntimeError, match="detached"):
        project.billable = False
