"""What was overtaken: late news of a former invoice, wishes of before, and what was sent before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_billing import PaymentMethod, collecting, projects, sync, tasks, transactions, waking
from flask_billing.collecting import issuing, lines, observing, parked, settling
from flask_billing.collecting.writing import Answer
from flask_billing.errors import GatewayUnavailable
from flask_billing.models import InvoiceCollection, table_of
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.test_corners import set_to, since
from tests.collecting.test_payers import hand_over
from tests.collecting.world import Owner
from tests.host import db

PAY = "POST /v1/invoices/*/pay"
VOID = "POST /v1/invoices/*/void"


def handed_over(sandbox: Sandbox, time: Time) -> tuple[Owner, Owner, Any]:
    """Return who has nothing left to charge, who pays by now, and the invoice issued before."""
    owner = world.new_owner(sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    db.session.get_one(PaymentMethod, owner.methods[0].id).refusal = "declined"
    db.session.commit()
    other = world.new_owner(sandbox, world.VISA)
    hand_over(owner, other)
    time.pass_by(days=1, hours=1)
    return owner, other, invoice_id


@pytest.mark.parametrize("dies", [False, True])
def test_late_news_that_the_former_invoice_is_void_does_not_touch_the_new_one(
    app: Flask,
    stripe_sandbox: Sandbox,
    time: Time,
    monkeypatch: pytest.MonkeyPatch,
    *,
    dies: bool,
) -> None:
    _, other, invoice_id = handed_over(stripe_sandbox, time)
    former = world.collection(invoice_id).stripe_id or ""
    create, add = issuing._create, lines.add
    news: list[Callable[[], None]] = []

    def create_while_an_event_is_processed(work: Any) -> Any:
        seen = observing._find(table_of(InvoiceCollection).c.stripe_id == former)
        stamp = sync.take_stamp()
        remote = current().gateway.invoice(former)
        assert seen is not None
        assert remote is not None
        assert remote.state == "void"
        news.append(lambda: observing._write(seen, Answer(remote, stamp)))
        return create(work)

    def add_once_it_was(work: Any, wanted: Any, **more: Any) -> Any:
        news.pop()()
        if dies:
            raise KeyboardInterrupt
        return add(work, wanted, **more)

    with monkeypatch.context() as patched:
        patched.setattr(issuing, "_create", create_while_an_event_is_processed)
        patched.setattr(lines, "add", add_once_it_was)
        try:
            collecting.collect()
        except KeyboardInterrupt:
            db.session.rollback()
    time.pass_by(hours=1)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [700]


def test_wish_to_void_is_over_once_the_invoice_is_found_open(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    stripe_sandbox.fail(VOID, how="error_500")
    with pytest.raises(GatewayUnavailable):
        collecting.void(invoice_id, reason="wrong_usage", made_by="staff-7")
    time.pass_by(days=2)
    collecting.collect()

    stripe_id = world.collection(invoice_id).stripe_id or ""
    world.client(stripe_sandbox).v1.invoices.void_invoice(stripe_id)
    time.pass_by(days=2)
    collecting.collect()

    invoice = world.invoice(invoice_id)
    assert (invoice.void_reason, invoice.voided_by) == ("voided_at_processor", None)


def test_lost_answer_to_voiding_what_was_written_off_is_found_out(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    collecting.write_off(invoice_id, reason="insolvent")
    stripe_sandbox.fail(VOID, how="error_500_after")
    with pytest.raises(GatewayUnavailable):
        collecting.void(invoice_id, reason="wrong_usage", made_by="staff-7")

    time.pass_by(hours=1)
    collecting.collect()

    invoice = world.invoice(invoice_id)
    assert (invoice.state, invoice.void_reason, invoice.voided_by) == (
        "void",
        "wrong_usage",
        "staff-7",
    )


def test_voiding_what_was_written_off_fails_and_it_stays_so(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    collecting.write_off(invoice_id, reason="insolvent")
    stripe_sandbox.fail(VOID, how="error_500")
    with pytest.raises(GatewayUnavailable):
        collecting.void(invoice_id, reason="wrong_usage")

    time.pass_by(hours=1)
    collecting.collect()

    assert (world.invoice(invoice_id).state, world.collection(invoice_id).state) == (
        "uncollectible",
        "done",
    )


def test_invoice_with_a_credit_note_is_not_issued_to_another_one_in_full(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    _, other, invoice_id = handed_over(stripe_sandbox, time)
    former = world.collection(invoice_id).stripe_id or ""
    world.client(stripe_sandbox).v1.credit_notes.create({"invoice": former, "amount": 300})

    collecting.collect()

    assert world.charges(stripe_sandbox, other) == []
    assert world.collection(invoice_id).reason == "payer_changed"


def test_preview_shows_the_methods_of_whoever_takes_over(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    _, other, invoice_id = handed_over(stripe_sandbox, time)

    [planned] = collecting.preview()

    assert (planned.invoice_id, planned.method_ids) == (invoice_id, (other.methods[0].id,))
    assert collecting.collect().paid == 1


def test_receipt_goes_to_whoever_paid_before_another_one_took_over(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner, _, invoice_id = handed_over(stripe_sandbox, time)
    v1 = world.client(stripe_sandbox).v1
    card = v1.payment_methods.attach(world.VISA, {"customer": owner.customer_id})
    v1.invoices.pay(world.collection(invoice_id).stripe_id or "", {"payment_method": card.id})

    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.collection(invoice_id).billing_info_id == owner.info_id


def test_card_of_a_new_payer_has_the_former_ones_invoice_looked_at_at_once(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    other = world.new_owner(stripe_sandbox)
    hand_over(owner, other)
    world.add_card(stripe_sandbox, other.info_id, world.VISA)
    transactions.begin(other.info_id)
    waking.wake(projects.connection(), other.info_id)
    db.session.commit()

    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"


def test_terms_begin_once_the_invoice_is_issued_however_late_the_address_comes(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    set_to(app, automatic_tax=True)
    owner = world.new_owner(stripe_sandbox, country="")
    collecting.set_terms(owner.key, 30)
    invoice_id = world.new_invoice(owner, 1000)
    for _ in range(9):
        collecting.collect()
        time.pass_by(days=1)
    assert (world.collection(invoice_id).state, since(owner)) == ("waiting", None)

    address: Any = {"address": {"country": "FR"}}
    world.client(stripe_sandbox).v1.customers.update(owner.customer_id, address)
    waking.wake(projects.connection(), owner.info_id)
    db.session.commit()
    collecting.collect()

    row = world.collection(invoice_id)
    assert row.state == "transfer"
    assert row.due_at is not None
    assert row.due_at - time.now() > timedelta(days=29)
    assert world.notes(invoice_id).count("action_required") == 1


# Parked while a try was under way.


def parked_with_a_try(sandbox: Sandbox, how: str, card: str = world.VISA) -> tuple[Owner, Any]:
    owner = world.new_owner(sandbox, card)
    invoice_id = world.new_invoice(owner, 700)
    sandbox.fail(PAY, how=how, times=9)
    collecting.collect()
    sandbox.engine.faults.clear()
    world.set_collection(invoice_id, state="parked", reason="issued_twice", next_try_at=None)
    return owner, invoice_id


def test_parked_invoice_that_can_not_be_looked_at_keeps_no_other_from_being_paid(
    app: Flask,
    stripe_sandbox: Sandbox,
    time: Time,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    parked_with_a_try(stripe_sandbox, "error_503")
    other = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 500)

    def fail(_: Any) -> Answer:
        raise KeyError("A secret.")

    monkeypatch.setattr(parked, "ask", fail)
    collecting.collect()

    assert world.invoice(other).state == "paid"
    assert "KeyError" in caplog.text
    assert "A secret." not in caplog.text


def test_method_that_the_bank_never_pays_by_is_charged_no_more_though_its_invoice_is_parked(
    app: Flask, stripe_sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, invoice_id = parked_with_a_try(stripe_sandbox, "error_500_after", world.BAD)
    outcome_of = settling._outcome_of
    monkeypatch.setattr(
        settling, "_outcome_of", lambda charge: outcome_of(charge)._replace(never_again=True)
    )

    time.pass_by(hours=1)
    collecting.collect()

    assert world.states(invoice_id) == ["declined"]
    db.session.expire_all()
    assert db.session.get_one(PaymentMethod, owner.methods[0].id).refusal == "declined"


def test_celery_finds_out_what_came_of_a_parked_invoices_try(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    _, invoice_id = parked_with_a_try(stripe_sandbox, "error_500_after")

    time.pass_by(hours=1)
    tasks.collect_due()

    assert world.states(invoice_id) == ["succeeded"]
