"""Other applications share the account: what is not ours is ignored, at once and quietly."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flask_billing import events
from flask_billing.events import ProcessReport
from flask_billing.events.money import MONEY
from tests.events.world import (
    World,
    by_id,
    event_rows,
    made_up,
    method_row,
)
from tests.host import Project, db
from tests.payment_methods.journey import order

GERMAN = "DE89370400440532013000"


def test_what_belongs_to_others_is_ignored_at_once(
    each_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    client = each_world.stripe.v1
    own = each_world.card()
    customer, method = each_world.stranger()
    client.customers.update(customer, {"name": "Grace"})
    tax_id: Any = {"type": "eu_vat", "value": "DE123456789"}
    client.customers.tax_ids.create(customer, tax_id)
    each_world.sandbox.update_card_automatically(method, exp_year=2099)
    change: Any = {"metadata": {"a": "b"}}
    client.payment_methods.update(method, change)
    sessions = [
        client.checkout.sessions.create(
            {"mode": "setup", "currency": "eur", "customer": customer, "success_url": "http://x/"}
        ).id
        for _ in range(2)
    ]
    each_world.sandbox.complete_checkout(sessions[1], iban=GERMAN)
    client.checkout.sessions.expire(sessions[0])
    intent = client.setup_intents.list({"customer": customer}).data[0]
    each_world.sandbox.set_mandate_status(str(intent.mandate), "inactive")
    client.payment_methods.detach(method)
    client.customers.delete(customer)

    report = each_world.handle()

    known = {row.type for row in event_rows() if row.reason != "unknown_type"}
    # The processor verifies a tax id in its own time.
    known.discard("customer.tax_id.updated")
    assert known == set(events.processing.BUILT_IN) - set(MONEY) - {
        "setup_intent.setup_failed",
        "customer.tax_id.deleted",
        "customer.tax_id.updated",
    }
    assert report.processed == report.retried == report.failed == 0
    assert {row.reason for row in event_rows()} == {"not_ours", "unknown_type"}
    assert {row.attempts for row in event_rows() if row.reason == "not_ours"} == {1}
    assert order(db.session.get_one(Project, 1)) == [own.stripe_id]
    assert caplog.text == ""


def test_what_the_processor_does_not_know_is_not_ours(world: World) -> None:
    world.card()
    kinds = {
        "checkout.session.completed": "cs_test_x",
        "setup_intent.succeeded": "seti_x",
        "mandate.updated": "mandate_x",
        "payment_method.detached": "pm_x",
        "payment_method.attached": "pm_x",
    }
    for number, (kind, stripe_id) in enumerate(kinds.items()):
        events.store(made_up(number, type=kind, object_id=stripe_id, object_type="x"))

    report = events.process()

    assert report == ProcessReport(ignored=len(kinds))


def test_event_without_the_id_of_its_object_harms_nothing(world: World) -> None:
    for number, kind in enumerate(sorted(events.processing.BUILT_IN)):
        events.store(made_up(number, type=kind, object_id=None))

    report = events.process()

    assert report.retried == report.failed == 0


def test_event_of_a_connected_account_does_not_reach_our_own_rows(world: World) -> None:
    card = world.card()
    world.stripe.v1.payment_methods.detach(card.stripe_id)
    world.overhear()
    calls = len(world.sandbox.requests)

    events.store(
        made_up(type="payment_method.detached", object_id=card.stripe_id, account_id="acct_2")
    )
    report = events.process()

    assert report == ProcessReport()
    assert method_row(card.stripe_id).removed_at is None
    assert len(world.sandbox.requests) == calls


def test_event_of_the_other_mode_waits_for_its_own_key(world: World) -> None:
    events.store(made_up(type="customer.updated", object_id="cus_1", livemode=True))

    assert events.process() == ProcessReport()
    assert by_id("evt_1").attempts == 0
