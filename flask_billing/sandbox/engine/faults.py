"""Trouble on demand: the n-th call of a kind is refused, lost, slow or answered with an error."""

import fnmatch
import threading
from dataclasses import dataclass, field
from typing import Any

from .errors import Problem, server_error, unavailable

WAYS = (
    "refuse",
    "timeout_before",
    "timeout_after",
    "error_500",
    "error_500_after",
    "error_503",
    "rate_limit",
    "slow",
)
DOWN = "error_503"


@dataclass
class Fault:
    """What goes wrong with which calls.

    :param call: Method and path, such as `POST /v1/customers/*`.
    :param how: One of `WAYS`.
    :param nth: The first such call that it hits, counted from now.
    :param times: How many calls in a row it hits.
    :param seconds: How long the call takes.
    :param error: For `refuse`: `status`, `code`, `param`, `message`, `decline_code` and so on.
    """

    call: str
    how: str
    nth: int = 1
    times: int = 1
    seconds: float = 0.0
    error: dict[str, Any] = field(default_factory=dict)
    seen: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Count a call of this kind and tell whether it is to go wrong."""
        if not fnmatch.fnmatchcase(f"{method} {path}", self.call):
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times

    def problem(self) -> Problem | None:
        """Give the error that is answered, if one is."""
        if self.how == "refuse":
            fields = {"message": "The sandbox was told to refuse this call.", **self.error}
            return Problem(fields.pop("message"), **fields)
        if self.how == "rate_limit":
            return Problem("Request rate limit exceeded.", status=429, code="rate_limit")
        if self.how in ("error_500", "error_500_after"):
            return server_error()
        if self.how == "error_503":
            return unavailable()
        return None


class Faults:
    """The scripted faults of a sandbox."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._outage: Fault | None = None

    def add(self, fault: Fault) -> None:
        """Add a fault; a misspelt one is a `ValueError`."""
        _check(fault)
        with self._lock:
            self._faults.append(fault)

    def begin_outage(self, how: str) -> None:
        """Have every call go wrong in one way until `end_outage`, before any other fault."""
        fault = Fault("* /*", how)
        _check(fault)
        with self._lock:
            self._outage = fault

    def end_outage(self) -> None:
        """Answer again; what `add` scripted still holds."""
        with self._lock:
            self._outage = None

    def strike(self, method: str, path: str) -> Fault | None:
        """Give the fault that hits this call; all that fit it count the call."""
        with self._lock:
            if self._outage is not None:
                return self._outage
            hits = [fault for fault in self._faults if fault.hits(method, path)]
        return hits[0] if hits else None

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._faults.clear()
            self._outage = None


def _check(fault: Fault) -> None:
    if fault.how not in WAYS:
        raise ValueError(f"how must be one of {', '.join(WAYS)}, not {fault.how!r}.")
    if " /" not in fault.call:
        raise ValueError(f"A call is a method and a path, not {fault.call!r}.")
