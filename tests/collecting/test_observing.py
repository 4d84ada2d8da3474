"""What others do to an invoice at the processor is seen, by events and before each try."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from flask_billing import BilledProjectRow, CollectingRefused, clock, collecting
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner
from tests.host import db


@pytest.fixture
def owner(app: Flask, stripe_sandbox: Sandbox) -> Owner:
    return world.new_owner(stripe_sandbox, world.BAD)


@pytest.fixture
def open_invoice(owner: Owner) -> UUID:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    return invoice_id


def stripe_id(invoice_id: UUID) -> str:
    return world.collection(invoice_id).stripe_id or ""


def test_invoice_that_was_paid_elsewhere_is_paid(
    stripe_sandbox: Sandbox, open_invoice: UUID
) -> None:
    stripe_sandbox.pay_out_of_band(stripe_id(open_invoice))

    assert collecting.observe(stripe_id(open_invoice))
    collecting.observe(stripe_id(open_invoice))

    assert world.invoice(open_invoice).state == "paid"
    assert world.collection(open_invoice).state == "done"
    assert world.notes(open_invoice).count("receipt") == 1


def test_what_is_paid_elsewhere_is_done_since_then(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 700)
    collecting.collect()
    time.pass_by(hours=5)
    stripe_sandbox.pay_out_of_band(stripe_id(invoice_id))
    paid_by = clock.now()

    collecting.observe(stripe_id(invoice_id))

    assert world.collection(invoice_id).state_since >= paid_by


def test_invoice_that_was_paid_unheard_is_not_charged(
    stripe_sandbox: Sandbox, owner: Owner, open_invoice: UUID, time: Time
) -> None:
    world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    stripe_sandbox.pay_invoice(stripe_id(open_invoice), card="4242424242424242")
    time.pass_by(days=1)

    collecting.collect()

    assert world.states(open_invoice) == ["declined"]
    assert world.invoice(open_invoice).state == "paid"
    assert len(world.charges(stripe_sandbox, owner)) == 1


def test_invoice_that_was_voided_there_is_void_here(
    stripe_sandbox: Sandbox, open_invoice: UUID
) -> None:
    world.client(stripe_sandbox).v1.invoices.void_invoice(stripe_id(open_invoice))

    collecting.observe(stripe_id(open_invoice))
    collecting.collect()

    found = world.invoice(open_invoice)
    assert (found.state, found.void_reason) == ("void", "voided_at_processor")
    assert world.collection(open_invoice).state == "done"


def test_invoice_that_was_written_off_there_may_be_paid_all_the_same(
    stripe_sandbox: Sandbox, open_invoice: UUID
) -> None:
    processor = world.client(stripe_sandbox)
    processor.v1.invoices.mark_uncollectible(stripe_id(open_invoice))
    collecting.observe(stripe_id(open_invoice))
    assert world.invoice(open_invoice).state == "uncollectible"
    assert world.collection(open_invoice).state == "done"

    stripe_sandbox.pay_out_of_band(stripe_id(open_invoice))
    collecting.observe(stripe_id(open_invoice))

    assert world.invoice(open_invoice).state == "paid"


def test_draft_that_was_deleted_is_parked_and_made_anew(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail("POST /v1/invoices/*/add_lines", how="timeout_before", times=3)
    collecting.collect()
    world.client(stripe_sandbox).v1.invoices.delete(stripe_id(invoice_id))

    collecting.observe(stripe_id(invoice_id))
    collecting.collect()
    assert world.collection(invoice_id).reason == "deleted_at_processor"
    collecting.unpark(invoice_id)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"


def test_strangers_invoice_is_not_ours(app: Flask, stripe_sandbox: Sandbox, owner: Owner) -> None:
    processor = world.client(stripe_sandbox)
    strange = processor.v1.invoices.create({"customer": owner.customer_id, "currency": "usd"})

    assert not collecting.observe(strange.id)
    assert not collecting.observe("in_unknown")


def test_older_answer_changes_nothing(stripe_sandbox: Sandbox, open_invoice: UUID) -> None:
    row = world.collection(open_invoice)
    world.set_collection(open_invoice, stamp=row.stamp + 1000)
    stripe_sandbox.pay_out_of_band(stripe_id(open_invoice))

    collecting.observe(stripe_id(open_invoice))

    assert world.collection(open_invoice).remote_state == "open"


def test_last_past_due_invoice_that_is_paid_lets_the_project_go_on(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoices = [world.new_invoice(owner, 700, month=each) for each in (world.JULY, world.AUGUST)]
    object.__setattr__(anywhere.extensions["billing"].settings, "retry_days", ())
    collecting.collect()
    assert {world.collection(each).state for each in invoices} == {"past_due"}

    def since() -> Any:
        db.session.expire_all()
        return db.session.get_one(BilledProjectRow, owner.key).past_due_since

    assert since() is not None
    stripe_sandbox.pay_out_of_band(stripe_id(invoices[0]))
    collecting.observe(stripe_id(invoices[0]))
    assert since() is not None
    collecting.write_off(invoices[1], reason="goodwill")
    assert since() is None


# What the staff does by hand.


def test_retry_begins_another_round_at_once(
    stripe_sandbox: Sandbox, owner: Owner, open_invoice: UUID
) -> None:
    row = collecting.retry(open_invoice, made_by="1")

    assert world.states(open_invoice) == ["declined", "declined"]
    assert (row.round, row.state) == (1, "waiting")
    assert world.attempts(open_invoice)[1].origin == "staff"
    assert row.next_try_at is not None
    assert row.next_try_at > clock.now() + timedelta(hours=20)


def test_written_off_invoice_is_not_charged_any_more(
    stripe_sandbox: Sandbox, open_invoice: UUID, time: Time
) -> None:
    assert collecting.write_off(open_invoice, reason="insolvent").state == "uncollectible"
    time.pass_by(days=8)
    collecting.collect()

    assert world.states(open_invoice) == ["declined"]
    assert world.remote(stripe_sandbox, open_invoice).status == "uncollectible"


def test_void_invoice_is_void_on_both_sides(stripe_sandbox: Sandbox, open_invoice: UUID) -> None:
    collecting.void(open_invoice, reason="wrong_rate", made_by="1")

    assert world.invoice(open_invoice).state == "void"
    assert world.collection(open_invoice).state == "done"
    assert world.remote(stripe_sandbox, open_invoice).status == "void"
    with pytest.raises(CollectingRefused, match="is void"):
        collecting.void(open_invoice, reason="wrong_rate")


def test_paid_invoice_is_neither_void_nor_written_off(
    app: Flask, stripe_sandbox: Sandbox, open_invoice: UUID
) -> None:
    stripe_sandbox.pay_out_of_band(stripe_id(open_invoice))

    with pytest.raises(CollectingRefused) as refused:
        collecting.void(open_invoice, reason="wrong_rate")
    assert refused.value.reason == "paid"
    with pytest.raises(CollectingRefused):
        collecting.write_off(open_invoice, reason="insolvent")
    assert world.invoice(open_invoice).state == "paid"


def test_what_is_stuck_is_named(
    stripe_sandbox: Sandbox, owner: Owner, open_invoice: UUID, time: Time
) -> None:
    assert collecting.stuck() == []
    late = world.new_invoice(owner, 70, month=world.AUGUST)
    parked = world.new_invoice(owner, 70, month=world.JULY)
    collecting.mend()
    world.set_collection(parked, state="parked", reason="amount_differs", next_try_at=None)
    time.pass_by(hours=2)

    found = {(each.kind, each.id) for each in collecting.stuck()}

    assert found == {("late", late), ("parked", parked)}


def test_of_very_many_that_are_stuck_the_oldest_are_returned_and_all_are_counted(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owners = [world.new_owner(stripe_sandbox) for _ in range(17)]
    months = (world.JULY, world.AUGUST, world.SEPTEMBER)
    ids = [world.new_invoice(owner, 70, month=month) for owner in owners for month in months]
    collecting.mend()
    for hours, invoice_id in enumerate(ids):
        since = clock.now() - timedelta(hours=hours)
        world.set_collection(invoice_id, state="past_due", state_since=since, next_try_at=None)
    world.set_collection(ids[0], state="parked", reason="amount_differs")
    parked, *past_due = ids
    oldest_first = past_due[::-1]

    few, usual, everything = (
        collecting.stuck(**limit) for limit in ({"limit": 2}, {}, {"limit": None})
    )

    assert [each.id for each in few] == [*oldest_first[:2], parked]
    assert [each.alike for each in few] == [50, 50, 1]
    assert [each.id for each in everything] == [*oldest_first, parked]
    assert usual == everything
