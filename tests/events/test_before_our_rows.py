"""What changes between the processor's page and our first row is not missed."""

from __future__ import annotations

from typing import Any

from flask_billing.models import BillingEvent
from tests.events.world import World, event_rows
from tests.host import Project
from tests.payment_methods.journey import rows, start


def finished(world: World) -> tuple[Project, Any]:
    """Finish the processor's page without coming back; gives the session as it is there."""
    project = world.project()
    session_id = start(project)
    world.sandbox.complete_checkout(session_id)
    return project, world.stripe.v1.checkout.sessions.retrieve(session_id)


def failures() -> list[BillingEvent]:
    return [row for row in event_rows() if row.error_class is not None]


def test_customer_that_was_deleted_first_leaves_nothing_behind(world: World) -> None:
    project, session = finished(world)
    world.stripe.v1.customers.delete(session.customer)

    world.handle()

    assert failures() == []
    assert rows() == []
    assert not project.has_payment_method


def test_known_customer_that_was_deleted_first_is_written_down_as_gone(world: World) -> None:
    project = world.project()
    world.card(project)
    info = project.billing_info
    assert info is not None
    session_id = start(project)
    world.sandbox.complete_checkout(session_id, card="5555555555554444")
    world.stripe.v1.customers.delete(info.stripe_id)

    world.handle("checkout.session.completed")

    assert failures() == []
    assert info.removed_at is not None
    assert not project.has_payment_method


def test_card_that_was_attached_first_becomes_a_row(world: World) -> None:
    _, session = finished(world)
    beside = world.stripe.v1.payment_methods.attach("pm_card_amex", {"customer": session.customer})

    world.handle("payment_method.attached")
    world.handle()

    assert beside.id in {method.stripe_id for method in rows()}
    assert world.differences() == []
