"""Who pays an invoice, where that changes while it is collected."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.orm import Session

from flask_billing import collecting, invoicing, sync
from flask_billing.collecting import issuing
from flask_billing.errors import CollectingRefused, CorrectionRefused
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time, host
from tests.collecting.world import Owner
from tests.host import Project, db


def hand_over(owner: Owner, other: Owner) -> None:
    """Have another one pay for a project from now on."""
    project = db.session.get_one(Project, int(owner.key))
    project.billing_info_id = other.info_id
    db.session.commit()


def delete_customer(sandbox: Sandbox, owner: Owner) -> None:
    world.client(sandbox).v1.customers.delete(owner.customer_id)
    sync.customer(owner.customer_id)


def paid_by_debit(sandbox: Sandbox, time: Time) -> tuple[Owner, Owner, Any, str]:
    """Return who pays by a bank debit that takes days, who pays by now, the invoice and payment."""
    owner = world.new_owner(sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700, currency="eur")
    collecting.collect()
    account = world.add_account(sandbox, owner.info_id)
    sandbox.pay_invoice(world.collection(invoice_id).stripe_id, payment_method=account.stripe_id)
    delete_customer(sandbox, owner)
    other = world.new_owner(sandbox, world.VISA)
    hand_over(owner, other)
    time.jump(days=1)
    [intent] = sandbox.objects("payment_intent")
    return owner, other, invoice_id, intent["id"]


def test_new_payer_is_charged_for_what_the_former_one_had_no_method_for(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    other = world.new_owner(stripe_sandbox, world.VISA)
    hand_over(owner, other)

    time.pass_by(days=1)
    report = collecting.collect()

    assert (report.paid, world.invoice(invoice_id).state) == (1, "paid")
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [700]
    former, latter = stripe_sandbox.objects("invoice")[-2:]
    assert {former["status"], latter["status"]} == {"void", "paid"}


def test_payer_who_can_be_charged_stays_though_another_one_has_come(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    hand_over(owner, world.new_owner(stripe_sandbox, world.VISA))

    time.pass_by(days=1, hours=1)
    collecting.collect()

    assert world.states(invoice_id) == ["declined", "declined"]
    assert world.collection(invoice_id).billing_info_id == owner.info_id


def test_nobody_takes_over_who_could_not_be_charged(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    hand_over(owner, world.new_owner(stripe_sandbox))

    time.pass_by(days=1)
    collecting.collect()

    assert world.collection(invoice_id).billing_info_id == owner.info_id
    assert [each["status"] for each in stripe_sandbox.objects("invoice")] == ["open"]


def test_transfer_is_awaited_from_whoever_was_asked_for_it(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    world.ensure_row(owner.key, owner.info_id)
    collecting.set_terms(owner.key, 14)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    hand_over(owner, world.new_owner(stripe_sandbox, world.VISA))

    time.pass_by(days=20)
    collecting.collect()

    assert world.collection(invoice_id).billing_info_id == owner.info_id


def test_month_is_not_closed_again_while_the_former_payers_debit_is_under_way(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner, other, invoice_id, intent_id = paid_by_debit(stripe_sandbox, time)

    collecting.collect()
    assert world.collection(invoice_id).state == "processing"
    with pytest.raises(CorrectionRefused):
        invoicing.void(invoice_id, reason="wrong_usage")

    stripe_sandbox.answer_debit(intent_id)
    time.pass_by(days=1)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.charges(stripe_sandbox, other) == []
    assert [each.amount for each in world.charges(stripe_sandbox, owner)] == [700]


def test_new_payer_is_charged_once_the_former_ones_debit_has_failed(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    _, other, invoice_id, intent_id = paid_by_debit(stripe_sandbox, time)
    collecting.collect()

    stripe_sandbox.answer_debit(intent_id, succeeds=False)
    time.pass_by(days=1)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [700]


@pytest.mark.parametrize("acted", [False, True])
def test_what_was_being_left_behind_when_its_worker_died_is_left_behind(
    app: Flask, stripe_sandbox: Sandbox, time: Time, *, acted: bool
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    other = world.new_owner(stripe_sandbox, world.VISA)
    hand_over(owner, other)
    time.pass_by(days=1)
    how = "error_500_after" if acted else "error_503"
    stripe_sandbox.fail("POST /v1/invoices/*/void", how=how, times=9)
    collecting.collect()
    assert world.collection(invoice_id).remote_state == "leaving"
    collecting.observe(world.collection(invoice_id).stripe_id or "")
    with pytest.raises(CorrectionRefused):
        invoicing.void(invoice_id, reason="wrong_usage")
    with pytest.raises(CollectingRefused):
        collecting.page_for_owner(invoice_id)
    stripe_sandbox.engine.faults.clear()

    time.pass_by(hours=1)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [700]


def test_invoice_that_is_paid_while_it_is_left_behind_is_paid(
    app: Flask, stripe_sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    other = world.new_owner(stripe_sandbox, world.VISA)
    hand_over(owner, other)
    time.pass_by(days=1)
    stripe_id = world.collection(invoice_id).stripe_id
    issue = issuing.issue

    def paid_first(work: Any) -> Any:
        stripe_sandbox.pay_out_of_band(stripe_id)
        return issue(work)

    monkeypatch.setattr(issuing, "issue", paid_first)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.charges(stripe_sandbox, other) == []


def test_invoice_that_is_paid_in_part_is_not_issued_anew(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    card = world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    pay_part(stripe_sandbox, invoice_id, owner, card.stripe_id)
    delete_customer(stripe_sandbox, owner)
    hand_over(owner, world.new_owner(stripe_sandbox, world.VISA))

    time.pass_by(days=1, hours=1)
    collecting.collect()

    row = world.collection(invoice_id)
    assert (row.state, row.reason, row.remote_state) == ("parked", "payer_changed", "open")


def pay_part(sandbox: Sandbox, invoice_id: Any, owner: Owner, method_id: str) -> None:
    """Have the staff take 300 by hand, and count it for an invoice."""
    v1 = world.client(sandbox).v1
    intent = v1.payment_intents.create(
        {
            "amount": 300,
            "currency": "usd",
            "customer": owner.customer_id,
            "payment_method": method_id,
            "confirm": True,
            "off_session": True,
        }
    )
    stripe_id = world.collection(invoice_id).stripe_id or ""
    v1.invoices.attach_payment(stripe_id, {"payment_intent": intent.id})


def test_part_that_was_taken_by_the_same_card_is_not_the_attempts_own(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail("POST /v1/invoices/*/pay", how="error_503", times=9)
    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    stripe_sandbox.engine.faults.clear()
    pay_part(stripe_sandbox, invoice_id, owner, owner.methods[0].stripe_id)

    time.pass_by(hours=1)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert sorted(each.amount for each in world.charges(stripe_sandbox, owner)) == [300, 400]


def test_lines_that_somebody_took_off_a_draft_come_back(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail("POST /v1/invoices/*/finalize", how="error_503", times=3)
    collecting.collect()
    stripe_id = world.collection(invoice_id).stripe_id or ""
    invoices = world.client(stripe_sandbox).v1.invoices
    lines: Any = [
        {"id": line.id, "behavior": "delete"} for line in invoices.line_items.list(stripe_id).data
    ]
    invoices.remove_lines(stripe_id, {"lines": lines})

    time.pass_by(minutes=15)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [700]


def test_what_the_host_sets_in_each_transaction_holds_for_every_statement(
    postgresql_url: str, stripe_sandbox: Sandbox
) -> None:
    with host(postgresql_url, stripe_sandbox).app_context():
        db.create_all()
        _collect_in_another_schema(stripe_sandbox)


def _collect_in_another_schema(stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    with db.engine.begin() as connection:
        connection.execute(text("ALTER SCHEMA public RENAME TO tenants"))
        connection.execute(text("CREATE SCHEMA public"))

    def begin(_session: Session, _transaction: Any, connection: Any) -> None:
        connection.execute(text("SET LOCAL search_path TO tenants"))

    event.listen(Session, "after_begin", begin)
    try:
        report = collecting.collect()
        assert world.invoice(invoice_id).state == "paid"
    finally:
        event.remove(Session, "after_begin", begin)
        db.session.remove()
        with db.engine.begin() as connection:
            connection.execute(text("DROP SCHEMA public"))
            connection.execute(text("ALTER SCHEMA tenants RENAME TO public"))
    assert report.paid == 1
