"""Lets work that goes on and on end when somebody asks for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue

__all__ = ["Asked", "stop_signals"]


class Asked:
    """Remembers that somebody asked to stop."""

    def __init__(self) -> None:
        # The one way to tell another place from a signal handler that cannot lock itself out.
        self._signals: SimpleQueue[int] = SimpleQueue()

    def note(self, number: int, _frame: object) -> None:
        """Be asked to stop, by the signal `number`."""
        self._signals.put(number)

    def __call__(self) -> bool:
        """Return whether somebody asked."""
        return not self._signals.empty()

    def rest(self, seconds: float) -> None:
        """Wait that long, or until somebody asks."""
        try:
            number = self._signals.get(timeout=seconds)
        except Empty:
            return
        self._signals.put(number)


@contextmanager
def stop_signals() -> Iterator[Asked]:
    """Take SIGTERM and SIGINT for being asked to stop while the block runs."""
    asked = Asked()
    before = {
        number: signal.signal(number, asked.note) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        yield asked
    finally:
        with _held_back(set(before)):
            for number, handler in before.items():
                signal.signal(number, handler)


@contextmanager
def _held_back(signals: set[signal.Signals]) -> Iterator[None]:
    """Let signals wait while their handlers change; Python complains of one that comes between.

    They asked for what is happening already, so they are dropped.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
        while waiting := signal.sigpending() & signals:
            signal.sigwait(waiting)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
