"""Nobody is left untold, and what only its owner can give does not come never."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from blinker import NamedSignal
from flask import Flask

from flask_billing import BilledProjectRow, collecting, customers, signals
from flask_billing.guard import decide
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.host import Project, db

FAILED = signals.invoice_payment_failed
NEEDS_OWNER = signals.invoice_needs_action
PAST_DUE = signals.invoice_past_due

READ = "GET /v1/invoice_payments"


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """The signals of what an invoice is told of, in their order."""
    names: list[str] = []
    kept: list[tuple[NamedSignal, Any]] = []

    def listen(signal: NamedSignal) -> None:
        def hear(_: Any, **about: Any) -> None:
            names.append(signal.name)

        signal.connect(hear)
        kept.append((signal, hear))

    for signal in (FAILED, NEEDS_OWNER, PAST_DUE):
        listen(signal)
    yield names
    for signal, hear in kept:
        signal.disconnect(hear)


def go_on(time: Time, days: int) -> None:
    """Collect daily."""
    for _ in range(days):
        collecting.collect()
        time.pass_by(days=1)


# A look that breaks off once something was tried.


@pytest.mark.parametrize(
    ("cards", "needs", "kind", "told"),
    [
        ([world.BAD], None, "payment_failed", [FAILED.name]),
        ([world.ASKS], "confirmation", "action_required", [NEEDS_OWNER.name]),
        (
            [world.ASKS, world.BAD],
            "confirmation",
            "action_required",
            [FAILED.name, NEEDS_OWNER.name],
        ),
    ],
    ids=["declined", "asks", "asks, then declined"],
)
def test_owner_is_told_once_of_what_a_look_found_that_broke_off(
    anywhere: Flask,
    stripe_sandbox: Sandbox,
    time: Time,
    heard: list[str],
    cards: list[str],
    needs: str | None,
    kind: str,
    told: list[str],
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, *cards), 700)
    stripe_sandbox.fail(READ, how="timeout_before", times=3)
    collecting.collect()
    assert len(world.states(invoice_id)) == 1
    assert world.notes(invoice_id) == []

    for _ in range(3):
        time.pass_by(minutes=5)
        collecting.collect()

    assert len(world.states(invoice_id)) == len(cards)
    assert world.collection(invoice_id).needs == needs
    assert world.notes(invoice_id) == [kind]
    assert heard == told


def test_owner_is_told_of_a_later_round_that_broke_off_as_well(
    app: Flask, stripe_sandbox: Sandbox, time: Time, heard: list[str]
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 700)
    collecting.collect()
    time.pass_by(days=1)
    # It is read before it is charged, and after.
    stripe_sandbox.fail(READ, how="timeout_before", nth=2, times=3)

    collecting.collect()
    assert world.states(invoice_id) == ["declined"] * 2
    assert len(heard) == 1
    for _ in range(3):
        time.pass_by(minutes=5)
        collecting.collect()

    assert world.notes(invoice_id) == ["payment_failed"] * 2
    assert heard == [FAILED.name] * 2


def test_invoice_that_is_set_going_is_not_told_of_once_more(
    app: Flask, stripe_sandbox: Sandbox, time: Time, heard: list[str]
) -> None:
    invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 700)
    go_on(time, 9)
    told = heard.count(FAILED.name)
    world.set_collection(invoice_id, state="parked", reason="refused", next_try_at=None)

    collecting.unpark(invoice_id)
    collecting.collect()

    assert world.collection(invoice_id).state == "past_due"
    assert heard.count(FAILED.name) == told == len(world.states(invoice_id))


# An address that tax needs.


@pytest.fixture
def with_tax(anywhere: Flask) -> Flask:
    object.__setattr__(current().settings, "automatic_tax", True)
    return anywhere


def test_address_that_never_comes_is_past_due_in_the_end(
    with_tax: Flask, stripe_sandbox: Sandbox, time: Time, heard: list[str]
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, country="")
    invoice_id = world.new_invoice(owner, 1000)

    go_on(time, 7)
    row = world.collection(invoice_id)
    assert (row.state, row.needs, row.round) == ("waiting", "address", 3)
    assert row.first_failed_at is not None
    assert row.retry_at is not None
    assert (row.retry_at - row.first_failed_at).days == 7
    assert world.notes(invoice_id) == ["action_required"]

    go_on(time, 3)
    row = world.collection(invoice_id)
    assert (row.state, row.needs, row.retry_at) == ("past_due", "address", None)
    assert world.invoice(invoice_id).state == "closed"
    assert world.notes(invoice_id) == ["action_required", "past_due"]
    assert heard == [NEEDS_OWNER.name, PAST_DUE.name]
    project = db.session.get_one(Project, int(owner.key))
    assert decide(project).reason == "past_due"


def test_address_that_comes_when_it_is_past_due_has_it_paid_at_once(
    with_tax: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, country="")
    invoice_id = world.new_invoice(owner, 1000)
    go_on(time, 9)
    assert db.session.get_one(BilledProjectRow, owner.key).past_due_since is not None
    collecting.collect()

    world.client(stripe_sandbox).v1.customers.update(
        owner.customer_id, {"address": {"country": "FR"}}
    )
    customers.wake(owner.customer_id)
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.collection(invoice_id).total == 1200
    db.session.expire_all()
    assert db.session.get_one(BilledProjectRow, owner.key).past_due_since is None
