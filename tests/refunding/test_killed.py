"""Killed before or after any call to the processor, everything still goes back once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast
from uuid import UUID

import pytest

from flask_billing import refunding
from flask_billing.gateways import Gateway
from flask_billing.state import current
from tests.events.world import MovedClock
from tests.host import db
from tests.refunding.bills import Bills

pytestmark = pytest.mark.long


class Killed(BaseException):
    """What no handler of the code under test catches, as a killed process runs none."""


class Deadly:
    """A gateway whose n-th call is the last thing that its process does.

    :param acts: Whether the processor still gets the call.
    """

    def __init__(self, gateway: Gateway, nth: int, *, acts: bool) -> None:
        self._gateway = gateway
        self._left = nth
        self._acts = acts

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        return self._deadly(found) if callable(found) else found

    def _deadly(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def call_or_die(*args: Any, **kwargs: Any) -> Any:
            self._left -= 1
            if self._left == 0 and not self._acts:
                raise Killed
            answer = call(*args, **kwargs)
            if self._left == 0:
                raise Killed
            return answer

        return call_or_die


@contextmanager
def dying_at(nth: int, *, acts: bool) -> Iterator[Deadly]:
    state = current()
    gateway = state.gateway
    deadly = Deadly(gateway, nth, acts=acts)
    state.gateway = cast("Gateway", deadly)
    try:
        yield deadly
    finally:
        state.gateway = gateway
        db.session.rollback()


def deaths(begin: Callable[[], UUID], act: Callable[[UUID], object]) -> Iterator[tuple[UUID, str]]:
    """Die before and after each call in turn, until `act` makes it to its end."""
    for acts in (False, True):
        nth, is_dead = 0, True
        while is_dead:
            nth += 1
            subject, is_dead = begin(), True
            with dying_at(nth, acts=acts), suppress(Killed):
                act(subject)
                is_dead = False
            yield subject, f"call {nth}, acts: {acts}, is dead: {is_dead}"
        assert nth > 4, "nothing was called"


def sweep_until_quiet(moved_clock: MovedClock) -> None:
    for _ in range(3):
        moved_clock.advance(minutes=11)
        assert refunding.sweep().errors == 0


def test_refund_goes_back_once_wherever_its_process_dies(
    bills: Bills, moved_clock: MovedClock
) -> None:
    project = bills.world.project()
    bills.world.card(project)
    months = iter(range(100))

    def begin() -> UUID:
        invoice_id = bills.issue(project, 1200, month=next(months))
        bills.pay(invoice_id)
        return invoice_id

    expected = 0
    for invoice_id, where in deaths(begin, lambda i: refunding.refund(i, 500, reason="outage")):
        sweep_until_quiet(moved_clock)

        states = bills.states(invoice_id)
        expected += len(states)
        assert states in ([], ["succeeded"]), where
        assert bills.sent_back() == bills.credited() == [500] * expected, where


def test_overpayment_goes_back_once_wherever_its_process_dies(
    bills: Bills, moved_clock: MovedClock
) -> None:
    project = bills.world.project()
    bills.world.card(project)
    months = iter(range(100))

    def begin() -> UUID:
        invoice_id = bills.issue(project, 1200, month=next(months))
        bills.pay(invoice_id)
        bills.pay_again(invoice_id)
        return invoice_id

    for count, (invoice_id, where) in enumerate(deaths(begin, lambda _: refunding.sweep()), 1):
        sweep_until_quiet(moved_clock)

        assert bills.states(invoice_id) == ["succeeded"], where
        assert bills.sent_back() == [1200] * count, where
        assert bills.balance(invoice_id) == 0, where


def test_row_is_there_before_the_processor_hears_of_it(bills: Bills) -> None:
    invoice_id = bills.paid(1200)

    with dying_at(2, acts=True), suppress(Killed):
        refunding.refund(invoice_id, 500, reason="outage")

    assert bills.states(invoice_id) == ["sending"]
    assert bills.sent_back() == [500]
