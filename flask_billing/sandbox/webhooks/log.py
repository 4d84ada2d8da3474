"""Remembers what was sent to endpoints and what they answered, so that tests can check it."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """One event as it was sent to one endpoint, or dropped.

    :param attempt: Counts from 1 for each event and endpoint.
    :param status: The HTTP status of the answer; `None` when there was none.
    :param error: Why there was none: `timeout`, `connection`, `not_local` or `dropped`.
    :param how: What was wrong with it, a way of `Webhooks.disturb`; `None` for an ordinary one.
    :param sent_at: The sandbox's time afterwards.
    """

    event_id: str
    event_type: str
    endpoint_id: str
    attempt: int
    status: int | None
    error: str | None
    how: str | None
    sent_at: float

    @property
    def delivered(self) -> bool:
        """Whether the endpoint took it; a redirect is none of Stripe's successes."""
        return self.status is not None and 200 <= self.status < 300


class DeliveryLog:
    """The latest attempts, oldest first."""

    def __init__(self, size: int = 100_000) -> None:
        self._lock = threading.Lock()
        self._entries: deque[Attempt] = deque(maxlen=size)

    def add(self, attempt: Attempt) -> None:
        """Remember an attempt."""
        with self._lock:
            self._entries.append(attempt)

    def clear(self) -> None:
        """Forget all attempts."""
        with self._lock:
            self._entries.clear()

    def of(self, event_id: str) -> list[Attempt]:
        """Give the attempts to send an event."""
        return [entry for entry in self if entry.event_id == event_id]

    def __iter__(self) -> Iterator[Attempt]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> Attempt:
        return list(self)[index]
