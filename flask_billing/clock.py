"""The one clock: aware UTC, read in one place so that tests can set it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

__all__ = ["moved", "now"]


def _real() -> datetime:
    return datetime.now(UTC)


_source: Callable[[], datetime] = _real


def now() -> datetime:
    """Return the present moment as an aware UTC datetime with microseconds."""
    return _source()


@contextmanager
def moved(source: Callable[[], datetime]) -> Iterator[None]:
    """Take the time from `source` while the block runs, in every thread; for tests.

    :param source: Returns an aware datetime.
    """
    global _source
    before, _source = _source, source
    try:
        yield
    finally:
        _source = before
