"""A bank debit can be charged only while its mandate holds, whoever tells of it first."""

from __future__ import annotations

from typing import Any

import pytest

from flask_billing import BillingInfo, PaymentMethod, customers, events, payment_methods
from flask_billing.state import current
from tests.events.world import MovedClock, World, store
from tests.host import Project, db
from tests.payment_methods.journey import rows, start

IBAN = "DE89370400440532013000"
ACCEPTED: Any = {
    "customer_acceptance": {
        "type": "online",
        "online": {"ip_address": "203.0.113.7", "user_agent": "Browser"},
    }
}


@pytest.fixture
def settings() -> dict[str, Any]:
    return {"BILLING_CURRENCY": "eur", "BILLING_PAGE_TIMEOUT": 30}


def account(world: World, project: Project) -> PaymentMethod:
    """Save a bank account on the processor's page, and come back from it."""
    session_id = start(project)
    world.sandbox.complete_checkout(session_id, iban=IBAN)
    method = payment_methods.complete(project, session_id).payment_method
    assert method is not None
    return method


def account_beside(
    world: World, info: BillingInfo, account: str = "pm_success_de"
) -> tuple[str, str]:
    """Save a bank account beside our pages, or once more; gives its id and the new mandate's."""
    intent = world.stripe.v1.setup_intents.create(
        {
            "customer": info.stripe_id,
            "payment_method": account,
            "confirm": True,
            "mandate_data": ACCEPTED,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return str(intent.payment_method), str(intent.mandate)


def told() -> None:
    events.feed_in()
    events.process()
    db.session.expire_all()


def test_mandate_is_known_from_the_day_the_account_is_saved(world: World) -> None:
    method = account(world, world.project())

    assert method.mandate_id is not None
    assert method.mandate_id.startswith("mandate_")
    assert method.usable


def test_ended_mandate_makes_the_account_unusable_and_a_renewed_one_usable_again(
    world: World,
) -> None:
    method, other = account(world, world.project("one")), account(world, world.project("two"))
    assert method.mandate_id is not None

    world.sandbox.set_mandate_status(method.mandate_id, "inactive")
    told()
    ended = (method.usable, other.usable)
    world.sandbox.set_mandate_status(method.mandate_id, "active")
    told()

    assert ended == (False, True)
    assert (method.usable, other.usable) == (True, True)


def test_mandate_that_ended_before_the_person_came_back(world: World) -> None:
    project = world.project()
    session_id = start(project)
    world.sandbox.complete_checkout(session_id, iban=IBAN)
    [intent] = world.stripe.v1.setup_intents.list().data
    world.sandbox.set_mandate_status(str(intent.mandate), "inactive")
    events.feed_in(types=["mandate.updated"])
    events.process()

    payment_methods.complete(project, session_id)
    told()

    assert [method.usable for method in rows()] == [False]


def test_mandate_that_ended_before_its_account_was_adopted(world: World) -> None:
    project = world.project()
    world.card(project)
    assert project.billing_info is not None
    account_id, mandate = account_beside(world, project.billing_info)
    world.sandbox.set_mandate_status(mandate, "inactive")

    events.feed_in(types=["mandate.updated"])
    events.process()
    told()

    assert {m.stripe_id: m.usable for m in rows()}[account_id] is False


def test_mandate_that_ended_before_anything_else_of_the_page_was_told(world: World) -> None:
    """And the person never comes back from the page."""
    for name in ("one", "two"):
        world.sandbox.complete_checkout(start(world.project(name)), iban=IBAN)
    intent, _ = world.stripe.v1.setup_intents.list().data
    world.sandbox.set_mandate_status(str(intent.mandate), "inactive")

    for kind in ("mandate.updated", "checkout.session.completed"):
        world.handle(kind)

    assert {m.stripe_id: m.usable for m in rows()}[str(intent.payment_method)] is False
    assert world.differences() == []


@pytest.mark.parametrize("beside", [False, True], ids=["on our page", "beside our pages"])
def test_events_of_an_ended_mandate_in_reverse_end_the_same(
    each_world: World, moved_clock: MovedClock, beside: bool
) -> None:
    project = each_world.project()
    if beside:
        each_world.card(project)
        _, mandate = account_beside(each_world, project.billing_info)
    else:
        each_world.sandbox.complete_checkout(start(project), iban=IBAN)
        mandate = str(each_world.stripe.v1.setup_intents.list().data[0].mandate)
    each_world.sandbox.set_mandate_status(mandate, "inactive")

    for each in reversed(each_world.told()):
        store([each])
        events.process()
    moved_clock.advance(minutes=5)
    events.process()

    assert [method.usable for method in rows()] == [True, False][not beside :]
    assert each_world.differences() == []


def test_end_of_an_older_mandate_changes_nothing_once_a_newer_is_known(world: World) -> None:
    project = world.project()
    method = account(world, project)
    older = str(method.mandate_id)
    _, newer = account_beside(world, project.billing_info, method.stripe_id)

    for status in ("pending", "active"):
        world.sandbox.set_mandate_status(newer, status)
    told()
    known = method.mandate_id
    world.sandbox.set_mandate_status(older, "inactive")
    told()
    after_the_older = (method.mandate_id, method.usable)
    world.sandbox.set_mandate_status(newer, "inactive")
    told()

    assert newer != older
    assert known == newer
    assert after_the_older == (newer, True)
    assert not method.usable


def test_list_that_is_older_than_the_row_leaves_the_mandate_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = world.project()
    method = account(world, project)
    assert method.mandate_id is not None
    world.sandbox.set_mandate_status(method.mandate_id, "inactive")
    told()
    # What the processor answers is older than the account.
    monkeypatch.setattr(current().gateway, "payment_methods", lambda customer_id: [])

    customers.live_details(project.billing_info)
    db.session.expire_all()

    assert not method.usable


def test_mandate_of_somebody_else_is_not_ours(world: World) -> None:
    customer = world.stripe.v1.customers.create().id
    _, mandate = account_beside(world, BillingInfo(stripe_id=customer))
    world.sandbox.set_mandate_status(mandate, "inactive")

    events.feed_in(types=["mandate.updated"])
    report = events.process()

    assert (report.ignored, report.processed) == (1, 0)
