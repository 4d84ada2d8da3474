"""Lets the real code run step by step, in every order of the steps.

Workers are threads that stop at gates: before and after each call to the processor. One of them at
a time goes on, to its next gate, so a schedule decides what happens when, and can be repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from typing import Any, NamedTuple

from flask import Flask

from flask_billing.gateways import Gateway

_PATIENCE = 10.0
_CALLS = {
    "detach_payment_method",
    "mandate",
    "payment_method",
    "payment_methods",
    "setup_session",
}


class _GivenUp(BaseException):
    """The play is over, and the worker does not go on."""


class Processor:
    """What changes at the processor, one change a step."""

    name = "processor"

    def __init__(self, *changes: Callable[[], object]) -> None:
        self._left = list(changes)
        self.happened = 0

    def can_step(self) -> bool:
        return bool(self._left)

    def step(self) -> None:
        self._left.pop(0)()
        self.happened += 1


class Worker:
    """A thread that runs from gate to gate.

    :param after: It begins once so many changes have happened at the processor.
    """

    def __init__(
        self, app: Flask, name: str, act: Callable[[], object], processor: Processor, after: int = 0
    ) -> None:
        self.name = name
        self._error: BaseException | None = None
        self._processor, self._after = processor, after
        self._go, self._stands = threading.Semaphore(0), threading.Semaphore(0)
        self._given_up = self._done = False
        self._thread = threading.Thread(target=self._run, args=(app, act), name=name)

    def can_step(self) -> bool:
        return not self._done and self._processor.happened >= self._after

    def step(self) -> None:
        if self._thread.ident is None:
            self._thread.start()
        else:
            self._go.release()
        if not self._stands.acquire(timeout=_PATIENCE):
            raise TimeoutError(f"{self.name} waits for somebody who does not go on.")

    def stop_at_gate(self) -> None:
        self._stands.release()
        if not self._go.acquire(timeout=_PATIENCE) or self._given_up:
            raise _GivenUp

    def raise_error(self) -> None:
        """Raise what went wrong in the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def give_up(self) -> None:
        """End the thread wherever it stands."""
        self._given_up = True
        self._go.release()
        if self._thread.ident is not None:
            self._thread.join(timeout=_PATIENCE)

    def _run(self, app: Flask, act: Callable[[], object]) -> None:
        _at_work.set(self)
        try:
            with app.app_context():
                act()
        except _GivenUp:
            pass
        except Exception as error:  # noqa: BLE001 - raised by who plays
            self._error = error
        finally:
            self._done = True
            self._stands.release()


_at_work: ContextVar[Worker | None] = ContextVar("at_work", default=None)


class GatedGateway:
    """The real gateway, with gates before and after each call about payment methods."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._gateway, name)
        # Looked up by the worker, though it may have a thread of the app's pool make the call.
        worker = _at_work.get()
        if worker is None or name not in _CALLS:
            return call

        def gated(*args: Any) -> Any:
            worker.stop_at_gate()
            answer = call(*args)
            worker.stop_at_gate()
            return answer

        return gated


class _Turn(NamedTuple):
    could: tuple[str, ...]
    did: str


class Play(NamedTuple):
    """What takes part in one play.

    :param look: Called after each step; raises `AssertionError` for what must never be.
    :param end: Called once everybody is done; raises `AssertionError` for a wrong end.
    """

    processor: Processor
    workers: Sequence[Worker]
    look: Callable[[], object]
    end: Callable[[], object]


def all_plays(begin: Callable[[], Play], most_switches: int | None = None) -> Iterator[list[str]]:
    """Play every schedule, and yield each when it has come to its end.

    :param begin: Sets everything up anew.
    :param most_switches: How often at most somebody is left standing who could go on.
    """
    waiting: list[list[str]] = [[]]
    while waiting:
        beginning = waiting.pop()
        turns = _play(begin(), beginning)
        schedule = [turn.did for turn in turns]
        for place in range(len(beginning), len(turns)):
            for other in turns[place].could:
                if other != turns[place].did:
                    branch = [*schedule[:place], other]
                    if most_switches is None or _switches(turns, branch) <= most_switches:
                        waiting.append(branch)
        yield schedule


def _switches(turns: Sequence[_Turn], schedule: Sequence[str]) -> int:
    return sum(
        schedule[place - 1] != schedule[place] and schedule[place - 1] in turns[place].could
        for place in range(1, len(schedule))
    )


def _play(play: Play, beginning: Sequence[str]) -> list[_Turn]:
    """Follow `beginning`, then let each go on for as long as they can."""
    actors: dict[str, Processor | Worker] = {actor.name: actor for actor in play.workers}
    actors[play.processor.name] = play.processor
    turns: list[_Turn] = []
    try:
        while could := tuple(name for name, actor in actors.items() if actor.can_step()):
            last = turns[-1].did if turns else ""
            did = last if last in could else could[0]
            if len(turns) < len(beginning):
                did = beginning[len(turns)]
                assert did in could, "The same steps came out differently this time."
            turns.append(_Turn(could, did))
            actors[did].step()
            play.look()
        for worker in play.workers:
            worker.raise_error()
        play.end()
    except Exception as error:
        error.add_note("Schedule: " + ", ".join(turn.did for turn in turns))
        raise
    finally:
        for worker in play.workers:
            worker.give_up()
    return turns
