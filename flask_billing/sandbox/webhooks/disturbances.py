"""Decides which deliveries go wrong, and draws all chances from one seed."""

import fnmatch
import random
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from .bodies import FORGERIES

# These happen to an event before it is first sent, and once only.
_AT_FIRST = ("drop", "delay")
WAYS = (*_AT_FIRST, "duplicate", "overlap", "other_mode", *FORGERIES)


@dataclass
class Disturbance:
    """What goes wrong with which deliveries; `Webhooks.disturb` explains the fields."""

    how: str
    types: str = "*"
    every: int = 1
    times: int | None = None
    chance: float = 1.0
    seconds: float = 0.0
    seen: int = 0

    def __post_init__(self) -> None:
        if self.how not in WAYS:
            raise ValueError(f"how must be one of {', '.join(WAYS)}, not {self.how!r}.")
        if self.every < 1:
            raise ValueError(f"every must be 1 or more, not {self.every!r}.")

    def hits(self, event_type: str, draws: random.Random) -> bool:
        """Count a delivery of this kind, and tell whether it goes wrong."""
        if self.times == 0 or not fnmatch.fnmatchcase(event_type, self.types):
            return False
        self.seen += 1
        if self.seen % self.every or draws.random() >= self.chance:
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Disturbances:
    """The disturbances of a sandbox's webhooks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._disturbances: list[Disturbance] = []
        self.seed = 0

    @property
    def seed(self) -> int:
        """What the chances are drawn from."""
        return self._seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._seed = seed
        self._draws = random.Random(seed)  # noqa: S311 - it has to be repeatable

    def add(self, disturbance: Disturbance) -> None:
        """Have more go wrong."""
        with self._lock:
            self._disturbances.append(disturbance)

    def clear(self) -> None:
        """Let everything go well again."""
        with self._lock:
            self._disturbances.clear()

    def strike(self, event_type: str, *, first: bool) -> dict[str, Disturbance]:
        """Give what goes wrong with a delivery, by its way.

        :param first: The event was neither sent nor held back before.
        """
        with self._lock:
            return {
                disturbance.how: disturbance
                for disturbance in self._disturbances
                if (first or disturbance.how not in _AT_FIRST)
                and disturbance.hits(event_type, self._draws)
            }

    def shuffled(self, numbers: Sequence[int]) -> list[int]:
        """Give numbers in another order."""
        with self._lock:
            return self._draws.sample(numbers, len(numbers))
