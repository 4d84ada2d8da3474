"""A model of processor, rows and workers in which each step is one access to one of them.

A payment method is at first `absent` at the processor, then `good` or `bad` (it ran out), and once
it is `gone` it stays so. Methods are numbered; there are two of everything.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

METHODS = (0, 1)
LIVE = frozenset({"good", "bad"})


@dataclass(frozen=True)
class Rules:
    """The stamp rule, and the ways to break it."""

    #: `before` or `after` the processor is asked, or `never`.
    stamp: str = "before"
    #: What is gone stays as a row that says so; otherwise its row is deleted.
    keeps_removed: bool = True
    #: Who inserted a row asks the processor once more.
    looks_again: bool = True
    #: A verb whose own write was refused asks the processor.
    verb_asks_again: bool = True
    #: A list removes only rows with an older stamp than its own.
    list_minds_stamps: bool = True


class Row(NamedTuple):
    stamp: int
    usable: bool
    leaving: bool = False
    removed: bool = False


class Worker(NamedTuple):
    """Somebody at work, with what is remembered from one step to the next."""

    name: str
    phase: str = "stamp"
    #: Begins once so many changes have happened; who is told of the n-th change waits for n.
    after: int = 0
    #: The methods that are asked for.
    todo: tuple[int, ...] = (0,)
    #: Asks for all methods at once, by a list.
    lists: bool = False
    #: Inserts what no row is of.
    adopts: bool = True
    stamp: int = 0
    known: tuple[int, ...] = ()
    seen: tuple[str, ...] = ()
    written: int = 0
    inserted: tuple[int, ...] = ()
    #: How often it may still be killed; then it begins anew.
    lives: int = 0


class World(NamedTuple):
    remote: tuple[str, ...]
    rows: tuple[Row | None, ...]
    #: Method and new state, in the order in which they come to pass.
    changes: tuple[tuple[int, str], ...]
    workers: tuple[Worker, ...]
    happened: int = 0
    last_stamp: int = 0
    #: Methods that a row said were gone.
    were_removed: frozenset[int] = frozenset()


def shortest_wrong_schedule(start: World, rules: Rules) -> list[str] | None:
    """Explore all interleavings, and return the shortest that goes wrong, with what is wrong."""
    reached: dict[World, tuple[World, str] | None] = {start: None}
    waiting = deque([start])
    while waiting:
        world = waiting.popleft()
        wrong = _what_is_wrong(world)
        if wrong is not None:
            return [*_way_to(world, reached), wrong]
        for label, following in _steps(world, rules):
            if following not in reached:
                reached[following] = (world, label)
                waiting.append(following)
    return None


def _way_to(world: World, reached: dict[World, tuple[World, str] | None]) -> list[str]:
    way = []
    while (before := reached[world]) is not None:
        world, label = before
        way.append(label)
    return way[::-1]


def _what_is_wrong(world: World) -> str | None:
    for method in METHODS:
        row = world.rows[method]
        if method in world.were_removed and row is not None and not row.removed:
            return f"method {method} came back: {row}"
    if world.changes or any(worker.phase != "done" for worker in world.workers):
        return None
    for method in METHODS:
        row, remote = world.rows[method], world.remote[method]
        if not _is_true(row, remote):
            return f"method {method} is {remote} in the end, and its row {row}"
    return None


def _is_true(row: Row | None, remote: str) -> bool:
    if remote not in LIVE:
        return row is None or row.removed
    return row is not None and not row.removed and row.usable == (remote == "good")


def _steps(world: World, rules: Rules) -> Iterator[tuple[str, World]]:
    if world.changes:
        (method, state), *rest = world.changes
        world_after = world._replace(changes=tuple(rest), happened=world.happened + 1)
        if world.remote[method] != "gone":
            world_after = _with_remote(world_after, method, state)
        yield f"processor: method {method} is {state}", world_after
    for place, worker in enumerate(world.workers):
        if worker.phase != "done" and world.happened >= worker.after:
            label = f"{worker.name}: {worker.phase}"
            yield label, _put(place, *_PHASES[worker.phase](world, worker, rules))
            if worker.lives and worker.phase != "stamp":
                anew = Worker(worker.name, after=worker.after, lives=worker.lives - 1)
                yield f"{worker.name} is killed", _put(place, world, anew)


def _put(place: int, world: World, worker: Worker) -> World:
    workers = world.workers
    return world._replace(workers=(*workers[:place], worker, *workers[place + 1 :]))


def _with_remote(world: World, method: int, state: str) -> World:
    remote = world.remote
    return world._replace(remote=(*remote[:method], state, *remote[method + 1 :]))


def _with_row(world: World, method: int, row: Row | None) -> World:
    rows = (*world.rows[:method], row, *world.rows[method + 1 :])
    return world._replace(rows=rows)


# Each phase takes world and worker as they are, and gives them as they are after one step.
_Step = tuple[World, Worker]


def _stamp(world: World, worker: Worker, rules: Rules) -> _Step:
    if rules.stamp == "before":
        world, worker = _stamped(world, worker)
    return world, worker._replace(phase="read")


def _stamped(world: World, worker: Worker) -> _Step:
    stamp = world.last_stamp + 1
    return world._replace(last_stamp=stamp), worker._replace(stamp=stamp)


def _read(world: World, worker: Worker, rules: Rules) -> _Step:
    known = tuple(method for method in worker.todo if world.rows[method] is not None)
    return world, worker._replace(phase="fetch", known=known, seen=(), written=0)


def _fetch(world: World, worker: Worker, rules: Rules) -> _Step:
    asked = worker.todo if worker.lists else (worker.todo[len(worker.seen)],)
    seen = worker.seen + tuple(world.remote[method] for method in asked)
    if len(seen) < len(worker.todo):
        return world, worker._replace(seen=seen)
    following = "late stamp" if rules.stamp == "after" else "write"
    return world, worker._replace(seen=seen, phase=following)


def _late_stamp(world: World, worker: Worker, rules: Rules) -> _Step:
    world, worker = _stamped(world, worker)
    return world, worker._replace(phase="write")


def _write(world: World, worker: Worker, rules: Rules) -> _Step:
    method, seen = worker.todo[worker.written], worker.seen[worker.written]
    worker = worker._replace(written=worker.written + 1)
    # Who reads a list learns of rows that were made meanwhile.
    if method in worker.known or (worker.lists and world.rows[method] is not None):
        minds = rules.list_minds_stamps or not worker.lists
        world, _ = _written(world, method, seen, worker.stamp, rules, minds=minds)
    elif worker.adopts and seen in LIVE:
        if world.rows[method] is None:
            world = _with_row(world, method, Row(worker.stamp, seen == "good"))
        worker = worker._replace(inserted=(*worker.inserted, method))
    return world, _next_to_write(worker, rules)


def _next_to_write(worker: Worker, rules: Rules) -> Worker:
    if worker.written < len(worker.todo):
        return worker
    if not (worker.inserted and rules.looks_again):
        return worker._replace(phase="done")
    return worker._replace(
        phase="stamp", todo=worker.inserted, inserted=(), lists=False, adopts=False
    )


def _written(
    world: World, method: int, seen: str, stamp: int, rules: Rules, *, minds: bool = True
) -> tuple[World, bool]:
    """Return the world after a conditional write, and whether anything was written."""
    row = world.rows[method]
    if row is None or row.removed:
        return world, False
    if rules.stamp != "never" and minds and row.stamp >= stamp:
        return world, False
    if seen in LIVE:
        return _with_row(world, method, row._replace(stamp=stamp, usable=seen == "good")), True
    world = world._replace(were_removed=world.were_removed | {method})
    gone = row._replace(stamp=stamp, removed=True) if rules.keeps_removed else None
    return _with_row(world, method, gone), True


def _leave(world: World, worker: Worker, rules: Rules) -> _Step:
    """Begin a removal: the row is marked as leaving, unless it is gone."""
    (method,) = worker.todo
    row = world.rows[method]
    if row is None or row.removed:
        return world, worker._replace(phase="done")
    world = _with_row(world, method, row._replace(leaving=True))
    return world, worker._replace(phase="stamp removal")


def _stamp_removal(world: World, worker: Worker, rules: Rules) -> _Step:
    world, worker = _stamped(world, worker)
    return world, worker._replace(phase="detach")


def _detach(world: World, worker: Worker, rules: Rules) -> _Step:
    return _with_remote(world, worker.todo[0], "gone"), worker._replace(phase="write removal")


def _write_removal(world: World, worker: Worker, rules: Rules) -> _Step:
    (method,) = worker.todo
    world, written = _written(world, method, "gone", worker.stamp, rules)
    row = world.rows[method]
    refused = not written and row is not None and not row.removed
    return world, worker._replace(
        phase="stamp" if refused and rules.verb_asks_again else "done", adopts=False
    )


def _list(world: World, worker: Worker, rules: Rules) -> _Step:
    """Look as a page does: a list first, and under a stamp only what seems to differ from it."""
    return world, worker._replace(phase="compare", seen=world.remote, adopts=False)


def _compare(world: World, worker: Worker, rules: Rules) -> _Step:
    differing = tuple(
        method
        for method, row in enumerate(world.rows)
        if row is not None and not (row.leaving or row.removed)
        if not _is_true(row, worker.seen[method])
    )
    return world, worker._replace(phase="stamp" if differing else "done", todo=differing)


_PHASES: dict[str, Callable[[World, Worker, Rules], _Step]] = {
    "stamp": _stamp,
    "read": _read,
    "fetch": _fetch,
    "late stamp": _late_stamp,
    "write": _write,
    "leave": _leave,
    "stamp removal": _stamp_removal,
    "detach": _detach,
    "write removal": _write_removal,
    "list": _list,
    "compare": _compare,
}
