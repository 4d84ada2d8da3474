"""Several people and workers at the same moment end in one payment."""

from __future__ import annotations

from flask import Flask

from flask_billing import CollectingRefused, clock, collecting
from flask_billing.sandbox import Sandbox
from tests.at_once import at_once
from tests.collecting import world
from tests.collecting.conftest import host
from tests.host import db


def test_workers_at_once_charge_each_invoice_once(anywhere: Flask, stripe_sandbox: Sandbox) -> None:
    owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(3)]
    invoices = [
        world.new_invoice(owner, 300, month=month)
        for owner in owners
        for month in (world.AUGUST, world.SEPTEMBER)
    ]

    at_once(anywhere, *[collecting.collect] * 3)
    collecting.collect()

    assert {world.invoice(each).state for each in invoices} == {"paid"}
    for owner in owners:
        assert len(world.charges(stripe_sandbox, owner)) == 2
        assert len(stripe_sandbox.objects("invoice", customer=owner.customer_id)) == 2


def test_two_owners_and_the_plan_at_once_end_in_one_payment(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 300)
    collecting.collect()
    cards = [world.add_card(stripe_sandbox, owner.info_id, each) for each in world.GOOD]
    visa, mastercard = (card.id for card in cards)
    world.set_collection(invoice_id, next_try_at=clock.now())

    outcomes = at_once(
        anywhere,
        lambda: collecting.pay_now(invoice_id, visa).state,
        lambda: collecting.pay_now(invoice_id, mastercard).state,
        collecting.collect,
    )

    db.session.rollback()
    collecting.collect()
    assert world.invoice(invoice_id).state == "paid"
    assert [each.amount for each in world.charges(stripe_sandbox, owner)] == [300]
    for outcome in outcomes[:2]:
        assert outcome == "succeeded" or isinstance(outcome, CollectingRefused), outcome


def test_threads_of_one_worker_share_the_work(postgresql_url: str, stripe_sandbox: Sandbox) -> None:
    app = host(postgresql_url, stripe_sandbox)
    with app.app_context():
        db.create_all()
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(5)]
        invoices = [world.new_invoice(owner, 300) for owner in owners]

        report = collecting.collect(limit=4)
        rest = collecting.collect(owners[0].key) + collecting.collect(keys=[owners[4].key])

        assert (report.paid, rest.paid) == (4, 1)
        assert {world.invoice(each).state for each in invoices} == {"paid"}
