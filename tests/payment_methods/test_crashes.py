"""Whatever is cut off between any two steps, the next attempt or the sweeper ends it well.

A step is a commit or a call to the processor. Each test dies before and after each step in turn,
goes on as a new process would, and looks at the rows and at the processor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event, select
from sqlalchemy.orm import Session

from flask_billing import PaymentHold, PaymentMethod, payment_methods
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db
from tests.payment_methods.journey import MASTERCARD, attached, order, save, start

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
    """A gateway whose every call is a point before it and a point after it."""

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
def fuse(app: Flask) -> Iterator[Fuse]:
    fuse = Fuse()
    current().__dict__["gateway"] = MortalGateway(current().gateway, fuse)
    event.listen(Session, "before_commit", fuse.point)
    event.listen(Session, "after_commit", fuse.point)
    yield fuse
    event.remove(Session, "before_commit", fuse.point)
    event.remove(Session, "after_commit", fuse.point)


def die_everywhere(
    fuse: Fuse, prepare: Callable[[], Any], act: Callable[[Any], Any]
) -> Iterator[Any]:
    """Yield what was prepared after `act` died on it, once for each point, until it survives."""
    for points in range(200):
        prepared = prepare()
        fuse.left = points
        try:
            act(prepared)
        except Crash:
            db.session.remove()
            yield prepared
        else:
            fuse.left = None
            assert points > 0, "nothing was cut off"
            return
    raise AssertionError("it never came to its end")


def new_project() -> int:
    project = Project(name="one")
    db.session.add(project)
    db.session.commit()
    return project.id


def get(key: int) -> Project:
    return db.session.get_one(Project, key)


def test_start_that_died_can_be_repeated(app: Flask, stripe_sandbox: Sandbox, fuse: Fuse) -> None:
    for key in die_everywhere(fuse, new_project, lambda key: start(get(key))):
        saved = save(stripe_sandbox, get(key))

        assert saved.state == "complete"
        assert len(order(get(key))) == len(attached(stripe_sandbox, get(key))) == 1


@pytest.mark.parametrize("who", ["return page", "sweeper"])
def test_completion_that_died_can_be_repeated(
    app: Flask, stripe_sandbox: Sandbox, fuse: Fuse, moved_clock: Any, who: str
) -> None:
    def prepare() -> tuple[int, str]:
        key = new_project()
        session_id = start(get(key))
        stripe_sandbox.complete_checkout(session_id)
        return key, session_id

    moved_clock.shift(600)
    for key, session_id in die_everywhere(
        fuse, prepare, lambda at: payment_methods.complete(get(at[0]), at[1])
    ):
        if who == "sweeper":
            moved_clock.shift(1200)
            payment_methods.sweep()
            moved_clock.shift(600)
        else:
            payment_methods.complete(get(key), session_id)

        assert get(key).can_create_resources
        assert order(get(key)) == list(attached(stripe_sandbox, get(key)))
        info = get(key).billing_info
        assert info is not None
        details = current().gateway.customer(info.stripe_id).details
        assert details.name
        assert details.address.country


def test_replacement_that_died_ends_with_the_new_card_only(
    app: Flask, stripe_sandbox: Sandbox, fuse: Fuse, moved_clock: Any
) -> None:
    def prepare() -> tuple[int, str]:
        key = new_project()
        save(stripe_sandbox, get(key))
        save(stripe_sandbox, get(key), MASTERCARD)
        session_id = start(get(key))
        stripe_sandbox.complete_checkout(session_id, exp="11/36")
        return key, session_id

    moved_clock.shift(600)
    for key, session_id in die_everywhere(
        fuse, prepare, lambda at: payment_methods.complete(get(at[0]), at[1])
    ):
        completion = payment_methods.complete(get(key), session_id)
        moved_clock.shift(1200)
        payment_methods.sweep()
        moved_clock.shift(600)

        assert completion.payment_method is not None
        assert order(get(key))[0] == completion.payment_method.stripe_id
        assert len(order(get(key))) == 2
        assert set(order(get(key))) == attached(stripe_sandbox, get(key))


def test_removal_that_died_is_finished_or_never_began(
    app: Flask, stripe_sandbox: Sandbox, fuse: Fuse, moved_clock: Any
) -> None:
    def prepare() -> tuple[int, Any]:
        key = new_project()
        method = save(stripe_sandbox, get(key)).payment_method
        save(stripe_sandbox, get(key), MASTERCARD)
        assert method is not None
        return key, method.id

    moved_clock.shift(600)
    for key, method_id in die_everywhere(
        fuse, prepare, lambda at: payment_methods.remove(get(at[0]), at[1])
    ):
        moved_clock.shift(1200)
        payment_methods.sweep()
        moved_clock.shift(600)

        method = db.session.get_one(PaymentMethod, method_id)
        assert (method.leaving_at is None) == (method.removed_at is None)
        assert set(order(get(key))) == attached(stripe_sandbox, get(key))


def test_hold_is_given_back_wherever_it_died(
    app: Flask, stripe_sandbox: Sandbox, fuse: Fuse, moved_clock: Any
) -> None:
    def prepare() -> tuple[int, str]:
        key = new_project()
        session_id = start(get(key))
        stripe_sandbox.complete_checkout(session_id)
        return key, session_id

    import stripe

    client = stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}
    )
    object.__setattr__(current().settings, "preauthorization", 100)
    moved_clock.shift(300)
    for key, session_id in die_everywhere(
        fuse, prepare, lambda at: payment_methods.complete(get(at[0]), at[1])
    ):
        payment_methods.complete(get(key), session_id)
        moved_clock.shift(600)
        payment_methods.sweep()
        moved_clock.shift(300)

        held = client.v1.payment_intents.list({"limit": 100}).auto_paging_iter()
        assert all(intent.status != "requires_capture" for intent in held)
        assert get(key).can_create_resources
    assert {hold.state for hold in db.session.scalars(select(PaymentHold))} == {"released"}


def test_move_that_died_leaves_one_order_or_the_other(
    app: Flask, stripe_sandbox: Sandbox, fuse: Fuse
) -> None:
    def prepare() -> tuple[int, list[str]]:
        key = new_project()
        save(stripe_sandbox, get(key))
        save(stripe_sandbox, get(key), MASTERCARD)
        return key, order(get(key))

    def move(at: tuple[int, list[str]]) -> None:
        project = get(at[0])
        payment_methods.move(project, project.payment_methods[1].id, direction="up")

    for key, before in die_everywhere(fuse, prepare, move):
        assert order(get(key)) in (before, before[::-1])
