"""Measures side by side and tells how the figures stand to their targets.

Absolute times say more about a machine and its hour than about the code. So what is compared is
measured in one run, one after the other and again, and what counts is the ratio of the medians.
"""

from __future__ import annotations

import gc
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import perf_counter

__all__ = ["AtLeast", "Line", "Topic", "chosen", "interleaved", "measured", "printed", "timed"]


@dataclass(frozen=True)
class AtLeast:
    """The target of a figure that is the better the higher it is."""

    value: float


#: The most that a figure should be, the least, or `None` where it only informs.
Target = float | AtLeast | None


@dataclass(frozen=True)
class Topic:
    """Figures that are measured together.

    :ivar targets: The figures' names and their targets.
    :ivar measure: Returns the figures by their names; raises where it can't.
    """

    name: str
    targets: Mapping[str, Target]
    measure: Callable[[], Mapping[str, float]]


@dataclass(frozen=True)
class Line:
    """A figure in the table; its value is `None` where it could not be measured."""

    name: str
    target: Target
    value: float | None

    @property
    def verdict(self) -> str:
        """`ok`, `short` of the target, `not measured`, or `-` where there is no target."""
        if self.value is None:
            return "not measured"
        if self.target is None:
            return "-"
        # Judged as it is printed: a figure of 1.40 has met a target of 1.4.
        value = round(self.value, 2)
        if isinstance(self.target, AtLeast):
            return "ok" if value >= self.target.value else "short"
        return "ok" if value <= self.target else "short"


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that `work` takes."""
    began = perf_counter()
    work()
    return perf_counter() - began


def interleaved(
    contestants: Mapping[str, Callable[[], float]], *, rounds: int, warm_up: int
) -> dict[str, float]:
    """Let the contestants take turns and return each one's median.

    :param contestants: What each call returns, such as `timed` seconds, is what is compared.
    :param warm_up: Rounds that are run before and not counted.
    """
    for _ in range(warm_up):
        for contestant in contestants.values():
            contestant()
    results: dict[str, list[float]] = {name: [] for name in contestants}
    order = deque(contestants.items())
    with _no_collector() as collect:
        for number in range(rounds):
            for name, contestant in order:
                results[name].append(contestant())
            # Whoever comes first finds cold caches, so each one does in its turn.
            order.rotate(1)
            if number % 20 == 19:
                collect()
    return {name: median(values) for name, values in results.items()}


@contextmanager
def _no_collector() -> Iterator[Callable[[], object]]:
    """Keep the garbage of one contestant from being collected at the cost of another."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield gc.collect
    finally:
        gc.enable()
        gc.unfreeze()


def measured(topic: Topic) -> list[Line]:
    """Return a line for each figure of `topic`; what went wrong is printed."""
    values: Mapping[str, float] = {}
    try:
        values = topic.measure()
    except Exception:  # noqa: BLE001 - the other topics can still be measured
        traceback.print_exc()
    return [Line(name, target, values.get(name)) for name, target in topic.targets.items()]


def printed(lines: Iterable[Line]) -> str:
    """Return the table: name, figure, target and verdict of each line."""
    rows = [("figure", "measured", "target", "")]
    rows += [(line.name, _number(line.value), _target(line), line.verdict) for line in lines]
    name, value, target = (max(len(row[column]) for row in rows) for column in range(3))
    return "\n".join(
        f"{row[0]:<{name}}  {row[1]:>{value}}  {row[2]:>{target}}  {row[3]}".rstrip()
        for row in rows
    )


def _target(line: Line) -> str:
    if isinstance(line.target, AtLeast):
        return f"≥ {_number(line.target.value)}"
    return "-" if line.target is None else f"≤ {_number(line.target)}"


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.2f}"


def chosen(topics: Sequence[Topic], names: Sequence[str]) -> list[Topic]:
    """Return the topics called `names`, or all where none is named.

    :raises ValueError: There is no topic of such a name.
    """
    known = [topic.name for topic in topics]
    for name in names:
        if name not in known:
            raise ValueError(f"There is no topic {name!r}. There are: {', '.join(known)}.")
    return [topic for topic in topics if not names or topic.name in names]
