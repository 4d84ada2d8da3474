"""Plays many months and tells what came of them: `make simulate SEEDS=1000 FROM=1`.

The exit status is 1 where a seed has failed.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
import time
from collections import Counter
from contextlib import nullcontext

from tests.databases import PostgreSQL
from tests.simulation.month import Outcome, play
from tests.simulation.mutations import MUTATIONS
from tests.simulation.world import World, opened

__all__ = ["main"]

#: How often progress is told, in seconds.
_EVERY = 20.0


def main(arguments: list[str] | None = None) -> int:
    """Play what the command line asks for, and return the exit status."""
    options = _parser().parse_args(arguments)
    # Little is ever in a cycle, and looking for it takes a fifth of the time.
    gc.set_threshold(100_000, 50, 50)
    server = PostgreSQL("simulation")
    mutation = MUTATIONS[options.mutation] if options.mutation else nullcontext
    try:
        with opened(server.fresh_database()) as world, mutation():
            summary = _play(world, options)
    finally:
        server.drop()
    summary.tell()
    return 1 if summary.failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many months are played")
    parser.add_argument("--from", dest="first", type=int, default=1, help="the first seed")
    parser.add_argument("--verbose", action="store_true", help="tell the story of each seed")
    parser.add_argument("--mutation", choices=sorted(MUTATIONS), help="break the engine so")
    parser.add_argument("--stop", action="store_true", help="end at the first seed that fails")
    return parser


def _play(world: World, options: argparse.Namespace) -> _Summary:
    summary = _Summary()
    for seed in range(options.first, options.first + options.seeds):
        outcome = play(world, seed)
        if options.verbose:
            print(*outcome.story, sep="\n")
        summary.add(outcome)
        if outcome.wrong and options.stop:
            break
    return summary


class _Summary:
    """What all seeds came to."""

    def __init__(self) -> None:
        self.began = self.told = time.monotonic()
        self.seeds = self.invoices = self.charges = self.calls = 0
        self.kills: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.failed: list[int] = []

    def add(self, outcome: Outcome) -> None:
        """Count a seed in, and tell at once what is wrong with it."""
        self.seeds += 1
        self.invoices += outcome.invoices
        self.charges += outcome.charges
        self.calls += outcome.calls
        self.kills += outcome.kills
        self.faults += outcome.faults
        if outcome.wrong:
            self.failed.append(outcome.seed)
            print(f"Seed {outcome.seed} fails:", *outcome.wrong, sep="\n  ", flush=True)
        if time.monotonic() - self.told > _EVERY:
            self.told = time.monotonic()
            print(f"{self.seeds} seeds, {len(self.failed)} failed …", flush=True)

    def tell(self) -> None:
        """Print what was played, what went wrong on the way, and which seeds failed."""
        took = time.monotonic() - self.began
        print(
            f"{self.seeds} seeds in {took:.0f} s: {self.invoices} invoices, {self.charges} "
            f"charges, {self.calls} calls to the processor."
        )
        print(f"Kills: {_list(self.kills)}.")
        print(f"What happened: {_list(self.faults)}.")
        if self.failed:
            print(f"FAILED: {', '.join(map(str, self.failed))}.")
            print(f"Once more: make simulate SEEDS=1 FROM={self.failed[0]} VERBOSE=1")


def _list(counted: Counter[str]) -> str:
    return ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(counted.items()))


if __name__ == "__main__":
    if os.environ.get("PYTHONHASHSEED") != "0":
        # The order of sets of texts is part of what a seed has to repeat.
        os.environ["PYTHONHASHSEED"] = "0"
        os.execv(sys.executable, [sys.executable, "-m", "tests.simulation", *sys.argv[1:]])
    raise SystemExit(main())
