"""Methods are tried in their order, one at a time, and a plan says when they are tried again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_billing import (
    BilledProjectRow,
    CollectingRefused,
    PaymentMethod,
    clock,
    collecting,
    signals,
    waking,
)
from flask_billing.projects import connection
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.host import db


def tried(invoice_id: Any) -> list[tuple[Any, str]]:
    return [(each.payment_method_id, each.state) for each in world.attempts(invoice_id)]


def test_declined_method_is_followed_by_the_next(anywhere: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.VISA, world.MASTERCARD)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()

    first, second, _ = owner.methods
    assert tried(invoice_id) == [(first.id, "declined"), (second.id, "succeeded")]
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [700]
    declined = world.attempts(invoice_id)[0]
    [failed] = world.charges(stripe_sandbox, owner, "failed")
    assert (declined.code, declined.charge_id) == ("card_declined", failed.id)


def test_round_is_repeated_as_planned_and_ends_past_due(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.BAD)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    assert world.collection(invoice_id).state == "waiting"
    collecting.collect()
    assert len(world.states(invoice_id)) == 2
    for day, tries in ((1, 4), (3, 6), (5, 8), (7, 10)):
        time.pass_by(days=1 if day == 1 else 2)
        collecting.collect()
        assert world.states(invoice_id) == ["declined"] * tries

    row = world.collection(invoice_id)
    assert (row.state, row.round) == ("past_due", 4)
    assert db.session.get_one(BilledProjectRow, owner.key).past_due_since is not None
    assert world.notes(invoice_id) == ["past_due", *["payment_failed"] * 5]
    time.pass_by(days=2)
    collecting.collect()
    assert len(world.states(invoice_id)) == 10


def test_rounds_that_an_outage_has_missed_are_not_made_up_for(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    time.pass_by(days=4)
    collecting.collect()

    row = world.collection(invoice_id)
    assert (len(world.states(invoice_id)), row.round) == (2, 1)
    assert row.first_failed_at is not None
    assert row.retry_at == row.first_failed_at + timedelta(days=5)


def test_new_method_is_tried_at_once_and_those_that_failed_are_not(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()

    added = world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    waking.wake(connection(), owner.info_id)
    db.session.commit()
    collecting.collect()

    assert tried(invoice_id)[1:] == [(added.id, "succeeded")]
    assert world.attempts(invoice_id)[1].origin == "change"


def test_method_that_its_owner_has_changed_is_tried_again(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()

    owner.methods[1].changed_at = clock.now()
    waking.wake(connection(), owner.info_id)
    db.session.commit()
    collecting.collect()

    assert [method for method, _ in tried(invoice_id)][2:] == [owner.methods[1].id]


def test_method_is_left_alone_once_it_was_declined_too_often(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    for _ in range(collecting.MOST_DECLINES):
        collecting.collect()
        if world.collection(invoice_id).state != "done":
            world.set_collection(invoice_id, round=world.collection(invoice_id).round + 1)
            world.set_collection(invoice_id, next_try_at=clock.now())

    collecting.collect()
    assert len(world.states(invoice_id)) == collecting.MOST_DECLINES
    with pytest.raises(CollectingRefused, match="too often"):
        collecting.pay_now(invoice_id, owner.methods[0].id)
    time.pass_by(days=31)
    collecting.retry(invoice_id)

    assert len(world.states(invoice_id)) == collecting.MOST_DECLINES + 1


def test_bank_that_wants_the_owner_does_not_keep_the_next_method_from_paying(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.ASKS, world.VISA)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()

    assert world.states(invoice_id) == ["needs_action", "succeeded"]
    assert world.notes(invoice_id) == ["receipt"]


def test_bank_that_wants_the_owner_is_waited_for_where_the_setting_says_so(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    settings = app.extensions["billing"].settings
    object.__setattr__(settings, "try_next_on_confirmation", False)
    owner = world.new_owner(stripe_sandbox, world.ASKS, world.VISA)
    invoice_id = world.new_invoice(owner, 700)

    report = collecting.collect()

    assert report.needs_owner == 1
    assert world.states(invoice_id) == ["needs_action"]
    assert world.collection(invoice_id).needs == "confirmation"
    assert world.notes(invoice_id) == ["action_required"]


def test_method_of_which_the_bank_says_never_again_is_refused(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
    invoice_id = world.new_invoice(owner, 700)
    error: dict[str, Any] = {"status": 402, "type": "card_error", "code": "card_declined"}
    error |= {"decline_code": "stolen_card"}
    stripe_sandbox.fail("POST /v1/invoices/*/pay", how="refuse", **error)

    collecting.collect()

    assert tried(invoice_id)[1] == (owner.methods[1].id, "succeeded")
    assert db.session.get_one(PaymentMethod, owner.methods[0].id).refusal == "declined"


def test_owner_without_any_method_is_asked_for_one(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox)
    invoice_id = world.new_invoice(owner, 700)

    report = collecting.collect()

    row = world.collection(invoice_id)
    assert (report.issued, report.needs_owner) == (1, 1)
    assert (row.state, row.needs) == ("waiting", "payment_method")
    assert world.invoice(invoice_id).state == "open"
    assert world.notes(invoice_id) == ["action_required"]


def test_project_that_nobody_pays_for_is_issued_once_somebody_does(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    other = world.new_owner(stripe_sandbox, world.VISA)
    owner = world.new_owner(stripe_sandbox)
    row = db.session.get_one(BilledProjectRow, owner.key)
    row.billing_info_id = None
    db.session.commit()
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    assert world.collection(invoice_id).needs == "payment_method"

    world.ensure_row(owner.key, other.info_id)
    waking.wake(connection(), other.info_id)
    db.session.commit()
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [700]


def test_each_turn_is_told_once(app: Flask, stripe_sandbox: Sandbox) -> None:
    heard: list[str] = []

    def listener(name: str) -> Any:
        def hear(_: Any, **about: Any) -> None:
            heard.append(name)

        return hear

    names = ("invoice_issued", "invoice_paid", "invoice_payment_failed", "invoice_needs_action")
    listeners = [(getattr(signals, name), listener(name)) for name in names]
    for signal, hear in listeners:
        signal.connect(hear)
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    collecting.collect()
    world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    waking.wake(connection(), owner.info_id)
    db.session.commit()
    collecting.collect()
    collecting.observe(world.collection(invoice_id).stripe_id or "")

    assert heard == ["invoice_issued", "invoice_payment_failed", "invoice_paid"]


def test_receiver_that_fails_keeps_nobody_from_paying(
    app: Flask, stripe_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def break_down(_: Any, **about: Any) -> None:
        raise RuntimeError("ada@example.com")

    signals.invoice_issued.connect(break_down)
    owner = world.new_owner(stripe_sandbox, world.VISA)
    first, second = world.new_invoice(owner, 700), world.new_invoice(owner, 80, month=world.AUGUST)

    collecting.collect()

    assert [world.invoice(each).state for each in (first, second)] == ["paid", "paid"]
    assert "RuntimeError" in caplog.text
    assert "ada@" not in caplog.text


def test_bank_debit_is_waited_for_and_nothing_else_is_tried(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    debit = world.add_account(stripe_sandbox, owner.info_id)
    world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    invoice_id = world.new_invoice(owner, 700, currency="eur")

    collecting.collect()
    assert tried(invoice_id) == [(debit.id, "processing")]
    assert world.collection(invoice_id).state == "processing"
    waking.wake(connection(), owner.info_id)
    db.session.commit()
    collecting.collect()
    assert tried(invoice_id) == [(debit.id, "processing")]

    [intent] = stripe_sandbox.objects("payment_intent")
    stripe_sandbox.answer_debit(intent["id"], succeeds=True)
    collecting.observe(world.collection(invoice_id).stripe_id or "")
    collecting.collect()

    assert tried(invoice_id) == [(debit.id, "succeeded")]
    assert (world.invoice(invoice_id).state, world.collection(invoice_id).state) == ("paid", "done")


def test_bank_debit_that_fails_is_followed_by_the_next_method(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox)
    debit = world.add_account(stripe_sandbox, owner.info_id)
    card = world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    invoice_id = world.new_invoice(owner, 700, currency="eur")
    collecting.collect()

    [intent] = stripe_sandbox.objects("payment_intent")
    stripe_sandbox.answer_debit(intent["id"], succeeds=False)
    time.pass_by(hours=2)
    collecting.collect()

    assert tried(invoice_id) == [(debit.id, "declined"), (card.id, "succeeded")]
