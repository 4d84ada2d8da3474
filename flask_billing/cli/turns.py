"""Does the parts of the work in turns: none waits for long for another, or fails with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import inf
from time import monotonic
from typing import NamedTuple

import click
from flask import current_app

from flask_billing import clock
from flask_billing.cli.moments import written
from flask_billing.errors import BillingError
from flask_billing.heartbeats import Pulse

__all__ = ["Part", "Patience", "Stop", "Turn", "say"]

#: How many seconds a part works on before the others get their turn.
_SLICE = 10.0

Stop = Callable[[], bool]


class Part(NamedTuple):
    """Part of the work.

    :ivar work: Does it until it is asked to stop, and returns how many things came to which end.
    :ivar trouble: The ends that need another try, or a person.
    """

    name: str
    work: Callable[[Stop], dict[str, int]]
    trouble: frozenset[str] = frozenset()


class Turn:
    """One turn of several parts.

    :param seconds: For how long each works at most; what it has begun it finishes.
    :ivar counts: How many things came to which end.
    :ivar failed: The parts that could not work.
    :ivar goes_on: Whether a part has more to do than it got to.
    """

    def __init__(
        self, parts: Sequence[Part], asked: Stop, pulse: Pulse, *, seconds: float | None = None
    ) -> None:
        self.counts: dict[str, int] = {}
        self.failed: set[str] = set()
        self.goes_on = False
        self._parts = parts
        self._asked = asked
        self._pulse = pulse
        self._seconds = _SLICE if seconds is None else seconds
        self._reasons: dict[str, list[str]] = {}

    def work(self) -> None:
        """Do the parts, one after the other."""
        for part in self._parts:
            if self._asked():
                return
            self._do(part)

    def tell(self, *, quiet: bool = False) -> None:
        """Print what was done.

        :param quiet: Say nothing where that was nothing.
        """
        for reason, names in self._reasons.items():
            text = f"{', '.join(names)} failed: {reason} ('flask billing check' may tell more)"
            say(text, is_error=True)
        done = ", ".join(counted(count, name) for name, count in self.counts.items() if count)
        if done or not (quiet or self.failed):
            say(done or "nothing to do")

    @property
    def is_well(self) -> bool:
        """Whether nothing needs another try, or a person."""
        trouble = {name for part in self._parts for name in part.trouble}
        return not self.failed and not any(self.counts.get(name) for name in trouble)

    def _do(self, part: Part) -> None:
        self._pulse.beat(part.name)
        stop = _Slice(self._seconds, self._asked, self._pulse)
        try:
            # A context of its own gives each part a database session of its own.
            with current_app.app_context():
                self.counts |= part.work(stop)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other parts must go on
            # A database error's text holds the statement and its parameters.
            reason = str(error) if isinstance(error, BillingError) else type(error).__name__
            self._reasons.setdefault(reason, []).append(part.name)
            self.failed.add(part.name)
        self.goes_on = self.goes_on or stop.is_over


class _Slice:
    """Says when a part has worked for long enough; the first thing it always gets to."""

    def __init__(self, seconds: float, asked: Stop, pulse: Pulse) -> None:
        self.is_over = False
        self._ends_at = inf if seconds == inf else monotonic() + seconds
        self._has_begun = False
        self._asked = asked
        self._pulse = pulse

    def __call__(self) -> bool:
        self._pulse.beat()
        if self._has_begun and monotonic() >= self._ends_at:
            self.is_over = True
        self._has_begun = True
        return self.is_over or self._asked()


class Patience:
    """Leaves a part that fails alone for longer and longer, and no other.

    :param first: For how many seconds at first, and `longest` at most.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first = first
        self._longest = max(first, longest)
        self._pauses: dict[str, float] = {}
        self._from: dict[str, float] = {}

    def may(self, part: Part) -> bool:
        """Return whether it is time to try a part."""
        return monotonic() >= self._from.get(part.name, 0.0)

    def note(self, parts: Sequence[Part], failed: set[str]) -> None:
        """Remember which parts have failed."""
        for name in (part.name for part in parts):
            if name not in failed:
                self._pauses.pop(name, None)
                continue
            pause = min(self._pauses.get(name, self._first / 2) * 2, self._longest)
            self._pauses[name] = pause
            self._from[name] = monotonic() + pause


def counted(count: int, name: str) -> str:
    """Return a count in words."""
    if count == 1:
        kinds = "event|alert|period|project|invoice|refund|overpayment|notification|method"
        name = re.sub(rf"^({kinds})s", r"\1", name)
    return f"{count} {name}"


def say(text: str, *, is_error: bool = False) -> None:
    """Print a line that begins with the time."""
    click.echo(f"{written(clock.now())} {text}", err=is_error)
