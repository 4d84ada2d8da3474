"""What comes together only once in a while: states that meet, and people who come in between."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from flask_billing import BilledProjectRow, clock, collecting, signals, sync, waking
from flask_billing.ids import uuid7
from flask_billing.projects import connection
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner
from tests.host import Project, db

PAY = "POST /v1/invoices/*/pay"


def set_to(app: Flask, **settings: Any) -> None:
    for name, value in settings.items():
        object.__setattr__(app.extensions["billing"].settings, name, value)


def wake(owner: Owner) -> None:
    waking.wake(connection(), owner.info_id)
    db.session.commit()


def since(owner: Owner) -> Any:
    """Return since when a project may create nothing, as it owes money."""
    db.session.expire_all()
    found = db.session.get_one(BilledProjectRow, owner.key).past_due_since
    db.session.commit()
    return found


# Past due, and on the way back.


def test_past_due_project_goes_on_once_a_bank_debit_has_paid(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    set_to(anywhere, retry_days=())
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700, currency="eur")
    collecting.collect()
    assert since(owner) is not None

    debit = world.add_account(stripe_sandbox, owner.info_id)
    assert collecting.pay_now(invoice_id, debit.id).state == "processing"
    [intent] = stripe_sandbox.objects("payment_intent")
    stripe_sandbox.answer_debit(intent["id"], succeeds=True)
    time.pass_by(hours=2)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert since(owner) is None


def test_past_due_project_goes_on_once_a_parked_invoice_is_paid(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    set_to(app, retry_days=())
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    world.set_collection(invoice_id, state="parked", reason="issued_twice", next_try_at=None)

    world.add_card(stripe_sandbox, owner.info_id, world.VISA)
    collecting.unpark(invoice_id)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert since(owner) is None


# A bank that wants the owner, where no other method may be charged meanwhile.


@pytest.fixture
def waits_for_owner(app: Flask) -> None:
    set_to(app, try_next_on_confirmation=False)


@pytest.mark.usefixtures("waits_for_owner")
def test_next_method_is_not_charged_either_once_the_owner_has_seen_the_page(
    stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.ASKS, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()

    collecting.page_for_owner(invoice_id)
    time.pass_by(minutes=16)
    collecting.collect()
    assert world.states(invoice_id) == ["needs_action"]
    assert world.collection(invoice_id).needs == "confirmation"
    assert world.notes(invoice_id) == ["action_required"]

    card = world.add_card(stripe_sandbox, owner.info_id, world.MASTERCARD)
    wake(owner)
    collecting.collect()
    assert world.attempts(invoice_id)[-1].payment_method_id == card.id
    assert world.states(invoice_id) == ["needs_action", "succeeded"]


@pytest.mark.usefixtures("waits_for_owner")
def test_next_method_is_not_charged_where_the_bank_asked_unheard(
    stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.ASKS, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(PAY, how="timeout_before", times=3)
    collecting.collect()
    assert world.states(invoice_id) == ["sending"]

    time.pass_by(minutes=3)
    collecting.collect()

    assert world.states(invoice_id) == ["needs_action"]


# Who comes in between.


class Meanwhile:
    """A gateway beside which something else happens before the next call of a name."""

    def __init__(self, gateway: Any, name: str, happens: Any) -> None:
        self._gateway = gateway
        self._name = name
        self._happens = happens

    def __getattr__(self, name: str) -> Any:
        if name == self._name and self._happens is not None:
            happens, self._happens = self._happens, None
            happens()
        return getattr(self._gateway, name)


def test_owner_whose_request_dies_does_not_wait_for_the_plan(
    app: Flask, stripe_sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    card = world.add_card(stripe_sandbox, owner.info_id, world.VISA)

    def die() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        gateway = Meanwhile(current().gateway, "pay_invoice", die)
        patched.setitem(current().__dict__, "gateway", gateway)
        with pytest.raises(KeyboardInterrupt):
            collecting.pay_now(invoice_id, card.id)
    db.session.remove()
    assert world.states(invoice_id) == ["declined", "sending"]
    time.pass_by(minutes=11)
    collecting.collect()

    assert world.states(invoice_id) == ["declined", "succeeded"]


def test_parked_while_it_is_tried_stays_parked(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.VISA)
    invoice_id = world.new_invoice(owner, 700)

    def duplicate() -> None:
        known = world.remote(stripe_sandbox, invoice_id)
        processor = world.client(stripe_sandbox)
        twin = processor.v1.invoices.create(
            {
                "customer": owner.customer_id,
                "currency": "usd",
                "auto_advance": False,
                "metadata": known.metadata.to_dict(),
            }
        )
        processor.v1.invoices.add_lines(
            twin.id, {"lines": [{"amount": 700, "description": "again"}]}
        )
        processor.v1.invoices.finalize_invoice(twin.id)
        assert collecting.observe(twin.id)

    gateway = Meanwhile(current().gateway, "pay_invoice", duplicate)
    monkeypatch.setitem(current().__dict__, "gateway", gateway)
    collecting.collect()

    row = world.collection(invoice_id)
    assert world.states(invoice_id) == ["declined"]
    assert (row.state, row.reason, row.claimed_by) == ("parked", "issued_twice", None)


def test_key_without_the_right_to_charge_is_nobodys_decline(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(
        PAY, how="refuse", times=2, status=403, code=None, type="invalid_request_error"
    )
    for _ in range(2):
        collecting.collect()
        time.pass_by(hours=1)
    row = world.collection(invoice_id)
    assert (row.state, row.first_failed_at) == ("waiting", None)
    assert world.notes(invoice_id) == []

    collecting.collect()
    assert world.states(invoice_id) == ["succeeded"]
    assert world.attempts(invoice_id)[0].payment_method_id == owner.methods[0].id


def test_receiver_that_leaves_rubbish_behind_keeps_nobody_from_paying(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    def leave_rubbish(_: Any, **about: Any) -> None:
        db.session.add(Project(id=about["invoice"].project_key, name=None))

    signals.invoice_issued.connect(leave_rubbish)
    owner = world.new_owner(stripe_sandbox, world.VISA)
    first, second = world.new_invoice(owner, 700), world.new_invoice(owner, 80, month=world.AUGUST)

    collecting.collect()

    assert [world.invoice(each).state for each in (first, second)] == ["paid", "paid"]


def test_coupon_of_the_customer_takes_nothing_off(app: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    world.new_invoice(owner, 700)

    collecting.collect()

    [draft] = [
        each.params
        for each in stripe_sandbox.requests
        if (each.method, each.path) == ("POST", "/v1/invoices")
    ]
    # Left out, the processor would take the customer's own.
    assert draft["discounts"] == ""


@pytest.mark.parametrize("is_old", [False, True])
def test_attempt_of_a_claim_that_ran_out_is_left_to_who_took_it_over(
    app: Flask, stripe_sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch, is_old: bool
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(PAY, how="timeout_before", times=3)
    collecting.collect()
    time.pass_by(hours=24 if is_old else 1)

    def take_over() -> None:
        until = clock.now() + timedelta(minutes=5)
        world.set_collection(invoice_id, claimed_by=uuid7(), claimed_until=until)

    gateway = Meanwhile(current().gateway, "invoice", take_over)
    monkeypatch.setitem(current().__dict__, "gateway", gateway)
    collecting.collect()

    [attempt] = world.attempts(invoice_id)
    assert (attempt.state, attempt.sends) == ("sending", 1)
    assert world.charges(stripe_sandbox, owner) == []


def test_method_that_was_not_asked_is_not_passed_over_once_the_bank_debit_has_failed(
    app: Flask, stripe_sandbox: Sandbox, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
    debit = world.add_account(stripe_sandbox, owner.info_id).stripe_id
    invoice_id = world.new_invoice(owner, 700, currency="eur")

    def pay_by_debit() -> None:
        stripe_id = world.collection(invoice_id).stripe_id or ""
        stripe_sandbox.pay_invoice(stripe_id, payment_method=debit)

    gateway = Meanwhile(current().gateway, "pay_invoice", pay_by_debit)
    monkeypatch.setitem(current().__dict__, "gateway", gateway)
    collecting.collect()
    assert world.states(invoice_id) == ["not_executed"]
    assert world.collection(invoice_id).state == "processing"

    [intent] = stripe_sandbox.objects("payment_intent")
    stripe_sandbox.answer_debit(intent["id"], succeeds=False)
    time.pass_by(hours=2)
    collecting.collect()

    assert world.states(invoice_id) == ["not_executed", "succeeded"]
    assert world.attempts(invoice_id)[1].payment_method_id == owner.methods[0].id


def test_invoice_that_was_left_behind_cannot_be_paid_once_it_is_void(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    stripe_id = world.collection(invoice_id).stripe_id or ""
    world.client(stripe_sandbox).v1.customers.delete(owner.customer_id)
    sync.customer(owner.customer_id)
    other = world.new_owner(stripe_sandbox, world.VISA)
    world.ensure_row(owner.key, other.info_id)
    # The processor fails just when its old invoice is to be made void.
    stripe_sandbox.fail("POST /v1/invoices/*/void", how="error_503", times=3)
    time.pass_by(days=2)
    collecting.collect()
    assert world.collection(invoice_id).remote_state == "leaving"

    time.pass_by(minutes=11)
    assert collecting.void(invoice_id, reason="wrong_resource").state == "void"

    assert world.client(stripe_sandbox).v1.invoices.retrieve(stripe_id).status == "void"


# Parked while a try is under way.


def parked(invoice_id: Any) -> Any:
    world.set_collection(invoice_id, state="parked", reason="issued_twice", next_try_at=None)
    return invoice_id


@pytest.mark.parametrize("succeeds", [True, False])
def test_debit_of_a_parked_invoice_comes_to_its_end(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time, *, succeeds: bool
) -> None:
    owner = world.new_owner(stripe_sandbox)
    world.add_account(stripe_sandbox, owner.info_id)
    invoice_id = world.new_invoice(owner, 700, currency="eur")
    collecting.collect()
    parked(invoice_id)
    collecting.collect()
    assert world.states(invoice_id) == ["processing"]

    [intent] = stripe_sandbox.objects("payment_intent")
    stripe_sandbox.answer_debit(intent["id"], succeeds=succeeds)
    time.pass_by(days=1)
    collecting.collect()

    assert world.states(invoice_id) == ["succeeded" if succeeds else "declined"]
    row = world.collection(invoice_id)
    assert (row.state, row.reason) == ("parked", "issued_twice")


def test_try_of_a_parked_invoice_that_never_came_there_is_given_up_after_a_day(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    stripe_sandbox.fail(PAY, how="error_503", times=3)
    invoice_id = parked_once_collected(owner)
    stripe_sandbox.begin_outage()
    time.pass_by(days=1, hours=1)
    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    stripe_sandbox.end_outage()

    time.pass_by(days=1)
    collecting.collect()

    assert world.states(invoice_id) == ["not_executed"]
    assert world.charges(stripe_sandbox, owner) == []
    assert world.collection(invoice_id).state == "parked"


def parked_once_collected(owner: Owner) -> Any:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    return parked(invoice_id)
