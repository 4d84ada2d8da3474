"""What the owner of an invoice does by hand."""

from __future__ import annotations

import pytest
from flask import Flask

from flask_billing import CollectingRefused, clock, collecting
from flask_billing.ids import uuid7
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner


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
