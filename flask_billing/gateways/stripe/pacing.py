"""Keeps the calls of one process below Stripe's limits; see https://docs.stripe.com/rate-limits."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import MutableMapping
from time import monotonic, sleep
from typing import Any

import stripe

__all__ = ["Pace", "PacedClient"]

Answer = tuple[Any, int, MutableMapping[str, str]]

# How much of a second's calls may go out at once after a quiet moment. A full second's would let
# twice as many through in the first one.
_AT_ONCE = 0.25
# How often a call is sent that Stripe has no room for, and the shortest and longest pause between.
_TRIES = 4
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 8.0


class Pace:
    """Gives each call of a process its turn, in the order of asking.

    Each thread asks for one turn at a time, so that a page's call waits for no more others than
    there are threads, however many calls a month-end has to make.

    :param rate: Calls a second.
    """

    def __init__(self, rate: int) -> None:
        self._gap = 1 / rate
        self._lock = threading.Lock()
        self._next_turn = self._resumes_at = monotonic()
        self._pause = 0.0

    def reserve(self) -> float:
        """Take the next turn, and return in how many seconds it comes."""
        with self._lock:
            now = monotonic()
            turn = max(self._next_turn, now - _AT_ONCE)
            self._next_turn = turn + self._gap
        return max(0.0, turn - now)

    def back_off(self) -> None:
        """Give no turns for a while; for longer than the last time, if that did not help."""
        with self._lock:
            now = monotonic()
            # Calls that were refused at the same moment are one sign of trouble, not several.
            if now >= self._resumes_at:
                self._pause = min(max(_FIRST_PAUSE, self._pause * 2), _LONGEST_PAUSE)
                spread = random.uniform(0.5, 1.0)  # noqa: S311 - it only spreads the load
                self._resumes_at = now + self._pause * spread
                self._next_turn = max(self._next_turn, self._resumes_at)

    def go_on(self) -> None:
        """Let the next trouble begin with the shortest pause again."""
        with self._lock:
            if monotonic() >= self._resumes_at:
                self._pause = 0.0


class PacedClient(stripe.RequestsClient):
    """Sends requests in turn, and again where Stripe had no room for them.

    :param timeout: Seconds for connecting and for reading. When both have passed, a request that
        Stripe has no room for is not sent again.
    """

    def __init__(self, pace: Pace, timeout: tuple[float, float]) -> None:
        super().__init__(timeout=timeout)
        self._pace = pace
        self._patience = sum(timeout)
        self._call = threading.local()

    def request_with_retries(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a request, and again as often as the SDK finds right.

        :raises stripe.APIConnectionError: Also where the last try was refused for want of room and
            an earlier one has left open what it did: it can't be said that nothing was done.
        """
        self._call.outcome_is_open = False
        answer: Any = super().request_with_retries(*args, **kwargs)
        if self._call.outcome_is_open and _is_limited(answer):
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                "Refused after a try of unknown outcome."
            )
        found: Answer = answer
        return found

    def request(self, *args: Any, **kwargs: Any) -> Answer:
        """Send a request in its turn, and again for as long as Stripe has no room for it."""
        deadline = monotonic() + self._patience
        wait = self._pace.reserve()
        for _ in range(_TRIES):
            if wait > 0:
                # Even a pause of nothing would let every other thread go first.
                sleep(wait)
            answer = self._sent(*args, **kwargs)
            if not _is_limited(answer):
                self._pace.go_on()
                return answer
            self._pace.back_off()
            wait = self._pace.reserve()
            if monotonic() + wait > deadline:
                break
        # Stripe may advise the SDK to try again: that has been done.
        answer[2]["Stripe-Should-Retry"] = "false"
        return answer

    def _sent(self, *args: Any, **kwargs: Any) -> Answer:
        try:
            answer: Any = super().request(*args, **kwargs)
        except stripe.APIConnectionError:
            self._call.outcome_is_open = True
            raise
        if answer[1] >= 500 or answer[1] == 409:
            self._call.outcome_is_open = True
        found: Answer = answer
        return found


def _is_limited(answer: Answer) -> bool:
    """Return whether Stripe refused a request for want of room, or of a lock, and did nothing."""
    content, status, _ = answer
    if status != 400:
        return status == 429
    try:
        return bool(json.loads(content)["error"]["code"] == "rate_limit")
    except (ValueError, TypeError, LookupError):
        return False
