"""What the owner of an invoice does by hand."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from flask_billing import BilledProjectRow, CollectingRefused, clock, collecting
from flask_billing.ids import uuid7
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner
from tests.host import db


@pytest.fixture
def owner(app: Flask, stripe_sandbox: Sandbox) -> Owner:
    return world.new_owner(stripe_sandbox, world.BAD, world.ASKS)


def test_owner_pays_with_the_method_of_their_choice(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    card = world.add_card(stripe_sandbox, owner.info_id, world.VISA)

    attempt = collecting.pay_now(invoice_id, card.id, made_by="7")

    assert (attempt.state, attempt.origin, attempt.made_by) == ("succeeded", "owner", "7")
    assert world.invoice(invoice_id).state == "paid"
    with pytest.raises(CollectingRefused) as refused:
        collecting.pay_now(invoice_id, card.id)
    assert refused.value.reason == "paid"


def test_invoice_that_nobody_has_issued_yet_is_issued_and_paid(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    card = world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    invoice_id = world.new_invoice(owner, 300)
    collecting.mend()

    assert collecting.pay_now(invoice_id, card.id).state == "succeeded"
    assert len(world.states(invoice_id)) == 1


def test_decline_of_what_the_owner_chose_leaves_the_plan_as_it_was(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    before = world.collection(invoice_id)
    planned = (before.next_try_at, before.retry_at, before.round)
    told = world.notes(invoice_id)

    attempt = collecting.pay_now(invoice_id, owner.methods[0].id)

    row = world.collection(invoice_id)
    assert attempt.state == "declined"
    assert (row.next_try_at, row.retry_at, row.round) == planned
    assert row.claimed_by is None
    assert world.notes(invoice_id) == told


def test_bank_that_wants_to_see_the_owner_says_so_at_once(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()

    assert collecting.pay_now(invoice_id, owner.methods[1].id).state == "needs_action"
    assert world.collection(invoice_id).needs == "confirmation"


def test_payment_method_of_somebody_else_is_refused(stripe_sandbox: Sandbox, owner: Owner) -> None:
    other = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()

    with pytest.raises(CollectingRefused) as refused:
        collecting.pay_now(invoice_id, other.methods[0].id)

    assert refused.value.reason == "method"
    assert world.collection(invoice_id).claimed_by is None


def test_second_press_while_a_try_is_under_way_is_refused(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    until = clock.now().replace(year=2030)
    world.set_collection(invoice_id, claimed_by=uuid7(), claimed_until=until)

    for act in (
        lambda: collecting.pay_now(invoice_id, owner.methods[0].id),
        lambda: collecting.page_for_owner(invoice_id),
        lambda: collecting.retry(invoice_id),
    ):
        with pytest.raises(CollectingRefused) as refused:
            act()
        assert refused.value.reason == "busy"


def test_nothing_is_charged_while_the_owner_is_at_the_bank(
    stripe_sandbox: Sandbox, owner: Owner, time: Time
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    tries = len(world.states(invoice_id))

    url = collecting.page_for_owner(invoice_id)
    world.set_collection(invoice_id, retry_at=clock.now(), next_try_at=clock.now())
    collecting.collect()
    with pytest.raises(CollectingRefused):
        collecting.retry(invoice_id)
    assert len(world.states(invoice_id)) == tries
    assert url.startswith(stripe_sandbox.url)

    stripe_id = world.collection(invoice_id).stripe_id or ""
    stripe_sandbox.pay_invoice(stripe_id, card="4000002500003155", authenticate=True)
    time.pass_by(minutes=16)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert len(world.states(invoice_id)) == tries
    assert world.notes(invoice_id).count("receipt") == 1


def test_page_that_is_opened_again_keeps_nobody_away_for_longer(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 300)
    collecting.collect()

    collecting.page_for_owner(invoice_id)
    first = world.collection(invoice_id).owner_until
    assert first is not None
    for minutes in (14, 6, 9):
        time.pass_by(minutes=minutes)
        assert collecting.page_for_owner(invoice_id)
        assert world.collection(invoice_id).owner_until == first
    assert first < clock.now()
    collecting.retry(invoice_id)

    time.pass_by(minutes=2)
    collecting.page_for_owner(invoice_id)
    second = world.collection(invoice_id).owner_until
    assert second is not None
    assert second > clock.now() + timedelta(minutes=14)


def open_again_and_again(invoice_id: UUID, time: Time) -> None:
    """Open the page every 14 minutes for an hour, with workers at their work."""
    for _ in range(5):
        collecting.page_for_owner(invoice_id)
        time.pass_by(minutes=14)
        collecting.collect()


def test_plan_goes_on_however_often_the_owner_opens_the_page(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()

    for tries in (2, 3, 4, 5):
        retry_at = world.collection(invoice_id).retry_at
        assert retry_at is not None
        time.pass_by(seconds=(retry_at - clock.now()).total_seconds() - 60)
        open_again_and_again(invoice_id, time)
        assert world.states(invoice_id) == ["declined"] * tries

    assert world.collection(invoice_id).state == "past_due"
    assert db.session.get_one(BilledProjectRow, owner.key).past_due_since is not None


def test_good_card_is_charged_however_often_the_owner_opens_the_page(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    collecting.page_for_owner(invoice_id)
    world.add_card(stripe_sandbox, owner.info_id, world.VISA)

    for _ in range(3):
        time.pass_by(minutes=14)
        collecting.collect()
        if world.invoice(invoice_id).state == "paid":
            break
        collecting.page_for_owner(invoice_id)

    assert world.states(invoice_id) == ["declined", "succeeded"]
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [300]


def test_parked_invoice_can_be_paid_neither_here_nor_on_the_page(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    tries = world.states(invoice_id)
    parked = {"state": "parked", "reason": "issued_twice", "next_try_at": None}
    world.set_collection(invoice_id, **parked)

    for act in (
        lambda: collecting.pay_now(invoice_id, owner.methods[0].id),
        lambda: collecting.page_for_owner(invoice_id),
    ):
        with pytest.raises(CollectingRefused) as refused:
            act()
        assert refused.value.reason == "state"
    assert world.states(invoice_id) == tries
    assert world.collection(invoice_id).owner_until is None


def test_page_of_an_invoice_that_is_not_issued_is_refused(
    stripe_sandbox: Sandbox, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.mend()

    with pytest.raises(CollectingRefused):
        collecting.page_for_owner(invoice_id)
    assert collecting.document(invoice_id) is None


def test_document_is_read_when_somebody_looks(stripe_sandbox: Sandbox, owner: Owner) -> None:
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()

    document = collecting.document(invoice_id)

    assert document is not None
    assert document.number
    assert document.number not in repr(document)


def test_invoice_of_nothing_is_unknown(app: Flask) -> None:
    with pytest.raises(LookupError):
        collecting.pay_now(uuid7(), uuid7())
