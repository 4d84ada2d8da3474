"""Breaks the engine in ways that the simulation has to notice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch

from sqlalchemy import Connection

from flask_billing.collecting import paying, settling, trying
from flask_billing.collecting.claiming import transaction
from flask_billing.collecting.writing import Ended, end_attempt
from tests.simulation import faults

__all__ = ["MUTATIONS"]


@contextmanager
def _without_keys() -> Iterator[None]:
    """Send no idempotency keys: each time is a request of its own."""
    begin = faults.Wire.begin

    def keyless(wire: faults.Wire, dice: Any) -> None:
        begin(wire, dice)
        wire.has_keys = False

    with patch.object(faults.Wire, "begin", keyless):
        yield


@contextmanager
def _row_after_call() -> Iterator[None]:
    """Write an attempt down only once the processor has answered."""
    held: list[dict[str, Any]] = []

    write = trying._write

    def hold(connection: Connection, row: dict[str, Any]) -> None:
        held.append(row)

    def pay(attempt: paying.Attempt, stripe_id: str) -> paying.Outcome:
        outcome = paying.pay(attempt, stripe_id)
        with transaction() as connection:
            for row in held:
                if row["id"] == attempt.id:
                    write(connection, row)
        return outcome

    with patch.object(trying, "_write", hold), patch.object(trying, "pay", pay):
        yield


@contextmanager
def _next_at_once() -> Iterator[None]:
    """Take an unknown outcome for a decline, and go on with the next method."""

    def unknown(work: Any, attempt: paying.Attempt, outcome: paying.Outcome, *, sends: int) -> str:
        with transaction() as connection:
            _end(connection, attempt.id)
        return "declined"

    def settle(work: Any, flight: Any) -> None:
        with transaction() as connection:
            _end(connection, flight.id)

    with (
        patch.object(trying, "_unknown", unknown),
        patch.object(settling, "settle", settle),
        patch("flask_billing.collecting.working.settle", settle),
    ):
        yield


def _end(connection: Connection, attempt_id: Any) -> None:
    end_attempt(connection, Ended(attempt_id, "declined", code="unknown"))


MUTATIONS: dict[str, Callable[[], AbstractContextManager[None]]] = {
    "no-key": _without_keys,
    "row-after-call": _row_after_call,
    "next-at-once": _next_at_once,
}
