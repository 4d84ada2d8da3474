"""Keeps long work within what the processor allows: waits its turn, and waits when told to."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic, sleep
from typing import Any, TypeVar, cast

from flask_billing.errors import GatewayUnavailable
from flask_billing.gateways import Customer, Gateway
from flask_billing.state import current

__all__ = ["paced"]

T = TypeVar("T")

#: The processor did nothing, so the same call can be made again, whatever it does.
_TOO_FAST = {"rate_limited", "lock_timeout"}
#: Seconds; after the last of them the trouble is no matter of pace any more.
_DELAYS = (1, 2, 4, 8, 16, 32, 32, 32)
_PAGE = 100


@contextmanager
def paced(rate: float | None = None) -> Iterator[None]:
    """Slow down all that the current app asks of the processor while the block runs.

    :param rate: Calls a second at most; `None` goes as fast as the processor lets us.
    """
    state = current()
    gateway = state.gateway
    # Nothing of the gateway's own is changed, and every room takes it from here.
    state.gateway = cast("Gateway", _Paced(gateway, rate))
    try:
        yield
    finally:
        state.gateway = gateway


class _Paced:
    """A gateway each of whose calls waits its turn, and is repeated where it came too fast."""

    def __init__(self, gateway: Gateway, rate: float | None) -> None:
        self._gateway = gateway
        self._pause = 1 / rate if rate else 0.0
        self._next_turn = 0.0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._gateway, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._patiently(lambda: found(*args, **kwargs))

    def customers(self, *, after: str | None = None) -> Iterator[Customer]:
        """Yield every customer; a list that breaks off goes on where it was."""
        listing = self._gateway.customers(after=after)
        seen = 0

        def next_one() -> Customer | None:
            nonlocal listing
            try:
                return next(listing, None)
            except GatewayUnavailable:
                listing = self._gateway.customers(after=after)
                raise

        while (customer := self._patiently(next_one, is_call=seen % _PAGE == 0)) is not None:
            after = customer.stripe_id
            seen += 1
            yield customer

    def _patiently(self, call: Callable[[], T], *, is_call: bool = True) -> T:
        for delay in _DELAYS:
            if is_call:
                self._await_turn()
            try:
                return call()
            except GatewayUnavailable as error:
                if error.code not in _TOO_FAST:
                    raise
            sleep(delay * random.uniform(0.5, 1.0))  # noqa: S311 - it only spreads the load
        return call()

    def _await_turn(self) -> None:
        now = monotonic()
        if now < self._next_turn:
            sleep(self._next_turn - now)
        self._next_turn = max(now, self._next_turn) + self._pause
