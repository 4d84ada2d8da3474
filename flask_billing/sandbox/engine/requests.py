"""Remembers the API calls that came in, so that tests can count and check them."""

import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class LoggedRequest:
    """One API call as it came in; `params` are nested texts, before any check."""

    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    request_id: str

    @property
    def call(self) -> str:
        """Method and path, such as `POST /v1/customers`."""
        return f"{self.method} {self.path}"


class RequestLog:
    """The latest API calls, oldest first."""

    def __init__(self, size: int = 10_000) -> None:
        self._lock = threading.Lock()
        self._entries: deque[LoggedRequest] = deque(maxlen=size)

    def add(self, entry: LoggedRequest) -> None:
        """Remember a call."""
        with self._lock:
            self._entries.append(entry)

    def clear(self) -> None:
        """Forget all calls."""
        with self._lock:
            self._entries.clear()

    def of(self, call: str) -> list[LoggedRequest]:
        """Give the calls with this method and path."""
        return [entry for entry in self if entry.call == call]

    def __iter__(self) -> Iterator[LoggedRequest]:
        with self._lock:
            return iter(list(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, index: int) -> LoggedRequest:
        return list(self)[index]
