"""Whoever dies between any two steps leaves an invoice that is charged once all the same.

A step is a commit or a call to the processor. Each test dies between any two of them in turn, goes
on as another worker would once the claim has run out, and counts at the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.orm import Session

from flask_billing import BilledProjectRow, clock, collecting
from flask_billing.collecting import staff
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.host import db

pytestmark = pytest.mark.long


class Crash(BaseException):
    """The process dies here; nothing of ours catches it."""


class Fuse:
    """Dies at the n-th point that is passed, counted from zero; `None` never dies."""

    def __init__(self) -> None:
        self.left: int | None = None

    def point(self, *_: Any) -> None:
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            raise Crash
        self.left -= 1


class MortalGateway:
    """A gateway with a point before each call and one after it."""

    def __init__(self, gateway: Any, fuse: Fuse) -> None:
        self._gateway = gateway
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._gateway, name)
        if not callable(real):
            return real

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.point()
            result = real(*args, **kwargs)
            self._fuse.point()
            return result

        return call


@pytest.fixture
def fuse(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[Fuse]:
    fuse = Fuse()
    monkeypatch.setitem(current().__dict__, "gateway", MortalGateway(current().gateway, fuse))
    # To die before a commit is to have died after the step before it.
    event.listen(Session, "after_commit", fuse.point)
    yield fuse
    event.remove(Session, "after_commit", fuse.point)


def die_everywhere(fuse: Fuse, prepare: Callable[[], Any], act: Callable[[Any], Any]) -> Any:
    """Yield what `act` died on, once for each point, until it comes to its end alive."""
    for points in range(100):
        prepared = prepare()
        fuse.left = points
        try:
            act(prepared)
        except Crash:
            db.session.remove()
            yield prepared
        else:
            fuse.left = None
            assert points > 10, "hardly anything was cut off"
            return
    raise AssertionError("it never came to its end")


def go_on(time: Time, invoice_id: UUID) -> None:
    """Collect as another worker does, until nothing is left to be done for now."""
    for _ in range(4):
        time.pass_by(minutes=11)
        collecting.collect()
        if world.collection(invoice_id).state == "done":
            return


def test_worker_that_dies_anywhere_charges_once(
    stripe_sandbox: Sandbox, fuse: Fuse, time: Time
) -> None:
    def prepare() -> tuple[world.Owner, UUID]:
        owner = world.new_owner(stripe_sandbox, world.BAD, world.VISA)
        return owner, world.new_invoice(owner, 1000, 7)

    for owner, invoice_id in die_everywhere(fuse, prepare, lambda _: collecting.collect()):
        go_on(time, invoice_id)

        assert world.invoice(invoice_id).state == "paid"
        assert world.states(invoice_id) == ["declined", "succeeded"]
        assert world.notes(invoice_id) == ["receipt"]
        assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [1007]
        assert len(world.charges(stripe_sandbox, owner, "failed")) == 1
    assert not stripe_sandbox.objects("invoice", status="draft")


@pytest.mark.parametrize(
    ("card", "told"), [(world.BAD, "payment_failed"), (world.ASKS, "action_required")]
)
def test_owner_is_told_what_came_of_a_try_wherever_the_worker_dies(
    stripe_sandbox: Sandbox, fuse: Fuse, time: Time, card: str, told: str
) -> None:
    def prepare() -> UUID:
        return world.new_invoice(world.new_owner(stripe_sandbox, card), 1000)

    for invoice_id in die_everywhere(fuse, prepare, lambda _: collecting.collect()):
        go_on(time, invoice_id)

        assert len(world.states(invoice_id)) == 1
        assert world.notes(invoice_id) == [told]
        assert world.collection(invoice_id).retry_at is not None


def test_owner_whose_request_dies_anywhere_is_charged_once(
    stripe_sandbox: Sandbox, fuse: Fuse, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    method_id = owner.methods[0].id
    months = iter(range(1, 100))

    def prepare() -> UUID:
        month = world.JULY.replace(year=1990 + next(months))
        invoice_id = world.new_invoice(owner, 1000, month=month)
        collecting.mend()
        world.set_collection(invoice_id, next_try_at=clock.now().replace(year=2030))
        return invoice_id

    count = 0
    for invoice_id in die_everywhere(
        fuse, prepare, lambda invoice_id: collecting.pay_now(invoice_id, method_id)
    ):
        count += 1
        # The plan's own time: whatever the owner left is settled by then.
        world.set_collection(invoice_id, next_try_at=clock.now())
        go_on(time, invoice_id)

        assert world.invoice(invoice_id).state == "paid"
        assert world.states(invoice_id)[-1] == "succeeded"
    assert len(world.charges(stripe_sandbox, owner)) == count + 1


def test_staff_whose_request_dies_anywhere_have_an_invoice_void_as_they_wanted(
    stripe_sandbox: Sandbox, fuse: Fuse, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who dies does not tidy up.
    monkeypatch.setattr(staff, "_leave", lambda _: None)

    def prepare() -> tuple[world.Owner, UUID]:
        owner = world.new_owner(stripe_sandbox, world.BAD)
        invoice_id = world.new_invoice(owner, 1000)
        collecting.collect()
        return owner, invoice_id

    def void(prepared: tuple[world.Owner, UUID]) -> None:
        try:
            collecting.void(prepared[1], reason="wrong_rate", made_by="staff-7")
        except InvalidRequestError as error:
            # It tried to roll back in the middle of the commit that it died in.
            raise Crash from error

    for owner, invoice_id in die_everywhere(fuse, prepare, void):
        time.pass_by(minutes=11)
        collecting.collect()
        is_void = world.remote(stripe_sandbox, invoice_id).status == "void"
        assert is_void == (world.invoice(invoice_id).state == "void")

        void((owner, invoice_id))

        invoice = world.invoice(invoice_id)
        assert (invoice.state, invoice.void_reason) == ("void", "wrong_rate")
        assert world.remote(stripe_sandbox, invoice_id).status == "void"
        project = db.session.get_one(BilledProjectRow, owner.key)
        assert project.parked_reason == "awaits_reissue"
