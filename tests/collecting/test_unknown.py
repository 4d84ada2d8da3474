"""An outcome that nobody knows is settled before anything else, and nobody is charged twice."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask

from flask_billing import GatewayUnavailable, clock, collecting
from flask_billing.ids import uuid7
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.collecting.world import Owner
from tests.host import db

PAY = "POST /v1/invoices/*/pay"


@pytest.fixture
def owner(app: Flask, stripe_sandbox: Sandbox) -> Owner:
    return world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)


def keys(sandbox: Sandbox) -> list[str | None]:
    """Return the keys under which money was asked for, in their order, each once in a row."""
    found = [each.idempotency_key for each in sandbox.requests if each.path.endswith("/pay")]
    return [key for place, key in enumerate(found) if place == 0 or found[place - 1] != key]


def look_again(time: Time, **by: float) -> None:
    time.pass_by(**by)
    collecting.collect()


class Lossy:
    """A connection to the processor that loses the answer to the next payment."""

    def __init__(self, gateway: Any) -> None:
        self._gateway = gateway
        self._loses = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    def pay_invoice(self, *args: Any, **kwargs: Any) -> Any:
        """Pay, and forget what came of it."""
        try:
            return self._gateway.pay_invoice(*args, **kwargs)
        finally:
            if self._loses:
                self._loses = False
                raise GatewayUnavailable("It took too long.")


@pytest.fixture
def lossy(app: Flask) -> None:
    current().__dict__["gateway"] = Lossy(current().gateway)


@pytest.mark.usefixtures("lossy")
def test_payment_whose_answer_was_lost_is_found_out(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    look_again(time, minutes=3)

    assert world.states(invoice_id) == ["succeeded"]
    assert world.attempts(invoice_id)[0].charge_id is not None
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [700]
    assert world.collection(invoice_id).state == "done"


@pytest.mark.usefixtures("lossy")
def test_decline_whose_answer_was_lost_is_found_out(stripe_sandbox: Sandbox, time: Time) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.VISA)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    look_again(time, minutes=3)

    assert world.states(invoice_id) == ["declined", "succeeded"]
    assert len(keys(stripe_sandbox)) == 2


@pytest.mark.usefixtures("lossy")
def test_bank_that_asked_for_the_owner_unheard_is_found_out(
    stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.ASKS)
    invoice_id = world.new_invoice(owner, 700)

    collecting.collect()
    look_again(time, minutes=3)

    assert world.states(invoice_id) == ["needs_action"]
    assert world.collection(invoice_id).needs == "confirmation"


def test_request_that_never_arrived_is_sent_again_under_the_same_key(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    # The SDK itself repeats it twice.
    stripe_sandbox.fail(PAY, how="timeout_before", times=3)

    collecting.collect()
    assert world.states(invoice_id) == ["sending"]
    look_again(time, minutes=3)

    assert world.states(invoice_id) == ["succeeded"]
    assert len(keys(stripe_sandbox)) == 1
    assert world.attempts(invoice_id)[0].sends == 2


def test_stored_failure_is_not_repeated_and_a_new_try_waits_ten_minutes(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(PAY, how="error_500")

    collecting.collect()
    look_again(time, minutes=5)
    assert world.states(invoice_id) == ["sending"]
    look_again(time, minutes=6)

    assert world.states(invoice_id) == ["not_executed", "succeeded"]
    first, second = world.attempts(invoice_id)
    assert first.payment_method_id == second.payment_method_id == owner.methods[0].id
    assert len(keys(stripe_sandbox)) == 2


def test_stored_failure_after_acting_is_no_second_charge(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(PAY, how="error_500_after")

    collecting.collect()
    look_again(time, minutes=11)

    assert world.states(invoice_id) == ["succeeded"]
    assert len(world.charges(stripe_sandbox, owner)) == 1


def test_outage_of_two_days_ends_in_one_charge_under_a_new_key(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.fail(PAY, how="timeout_before", times=3)
    collecting.collect()
    stripe_sandbox.begin_outage()
    for _ in range(3):
        look_again(time, hours=16)
        assert world.states(invoice_id) == ["sending"]

    stripe_sandbox.end_outage()
    look_again(time, hours=2)

    assert world.states(invoice_id) == ["not_executed", "succeeded"]
    assert len(world.charges(stripe_sandbox, owner)) == 1


@pytest.mark.usefixtures("lossy")
@pytest.mark.parametrize("hours", [-30, 30])
def test_clock_that_jumps_charges_nobody_twice(
    stripe_sandbox: Sandbox, time: Time, owner: Owner, hours: int
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()

    time.jump(hours=hours)
    world.set_collection(invoice_id, next_try_at=clock.now(), claimed_until=None)
    collecting.collect()

    assert world.states(invoice_id) == ["succeeded"]
    assert len(world.charges(stripe_sandbox, owner)) == 1


def test_claim_of_a_worker_that_died_runs_out(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    collecting.mend()
    until = clock.now()
    world.set_collection(invoice_id, claimed_by=uuid7(), claimed_until=until, next_try_at=until)
    time.pass_by(seconds=1)

    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"


def test_refusal_that_is_no_decline_is_looked_into(
    stripe_sandbox: Sandbox, owner: Owner, time: Time
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    # Nobody has told us: it was detached in the dashboard.
    world.client(stripe_sandbox).v1.payment_methods.detach(owner.methods[0].stripe_id)

    collecting.collect()

    assert world.states(invoice_id) == ["not_executed", "succeeded"]
    db.session.refresh(owner.methods[0])
    assert owner.methods[0].removed_at is not None


def test_outage_before_anything_is_issued_loses_nothing(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    stripe_sandbox.begin_outage()
    report = collecting.collect()
    assert report.errors == 1

    stripe_sandbox.end_outage()
    look_again(time, minutes=11)

    row = world.collection(invoice_id)
    assert (row.state, row.failures, row.error_code) == ("done", 0, None)


@pytest.mark.parametrize(
    "call",
    [
        "POST /v1/invoices",
        "POST /v1/invoices/*/add_lines",
        "POST /v1/invoices/*/finalize",
        "GET /v1/invoices",
    ],
)
@pytest.mark.parametrize("how", ["error_500", "error_500_after"])
def test_call_that_fails_while_issuing_is_made_good(
    stripe_sandbox: Sandbox, time: Time, owner: Owner, call: str, how: str
) -> None:
    invoice_id = world.new_invoice(owner, 700, 34)
    # The SDK itself repeats what is only read.
    stripe_sandbox.fail(call, how=how, times=3 if call.startswith("GET") else 1)

    collecting.collect()
    look_again(time, minutes=12)

    assert world.invoice(invoice_id).state == "paid"
    assert [each.total for each in finalized(stripe_sandbox, owner)] == [734]


def finalized(sandbox: Sandbox, owner: Owner) -> list[Any]:
    found = world.client(sandbox).v1.invoices.list({"customer": owner.customer_id, "limit": 100})
    return [each for each in found.auto_paging_iter() if each.status not in {"draft", "void"}]


def test_database_restored_from_a_backup_adopts_what_was_paid(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    world.forget(invoice_id)
    again = world.new_invoice(owner, 700)

    collecting.collect()

    assert (world.invoice(again).state, world.states(again)) == ("paid", [])
    assert len(world.charges(stripe_sandbox, owner)) == 1


@pytest.mark.parametrize("cut_off", ["add_lines", "finalize", "pay"])
def test_database_restored_from_a_backup_goes_on_with_what_was_begun(
    stripe_sandbox: Sandbox, time: Time, owner: Owner, cut_off: str
) -> None:
    invoice_id = world.new_invoice(owner, 700, 30)
    stripe_sandbox.fail(f"POST /v1/invoices/*/{cut_off}", how="timeout_before", times=3)
    collecting.collect()
    world.forget(invoice_id)
    again = world.new_invoice(owner, 700, 30)

    look_again(time, minutes=1)

    assert world.invoice(again).state == "paid"
    assert [each.total for each in finalized(stripe_sandbox, owner)] == [730]
    assert world.remote(stripe_sandbox, again).metadata["flask_billing_id"] == str(again)


def test_other_amount_than_was_issued_before_a_restore_is_parked(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    world.forget(invoice_id)
    again = world.new_invoice(owner, 900)

    report = collecting.collect()

    row = world.collection(again)
    assert (report.parked, row.state, row.reason) == (1, "parked", "issued_differently")
    assert len(world.charges(stripe_sandbox, owner)) == 1


def test_attempts_that_a_restore_has_lost_are_no_second_charge(
    stripe_sandbox: Sandbox, time: Time, owner: Owner
) -> None:
    invoice_id = world.new_invoice(owner, 700)
    collecting.collect()
    row = world.collection(invoice_id)
    db.session.delete(world.attempts(invoice_id)[0])
    world.invoice(invoice_id).state = "open"
    db.session.commit()
    world.set_collection(
        row.invoice_id, state="waiting", remote_state="open", paid=0, next_try_at=clock.now()
    )

    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.states(invoice_id) == []
    assert len(world.charges(stripe_sandbox, owner)) == 1


def test_clock_that_jumped_back_has_no_method_tried_again_and_again(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD, world.BAD)
    invoice_id = world.new_invoice(owner, 700)
    collecting.mend()
    time.jump(hours=-5)
    world.set_collection(invoice_id, next_try_at=clock.now())

    collecting.collect()

    assert world.states(invoice_id) == ["declined", "declined"]
