"""What closing a month costs, against loops and statements that know no rule.

The plain loop reads the same spans and inserts as many invoices and lines through the same Core
statements. On SQLite there is a tenth of it.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path

from flask import Flask
from sqlalchemy import func, select

from benchmarks import months
from benchmarks.closing_memory import RATES, URL
from benchmarks.harness import AtLeast, Topic, interleaved, timed
from benchmarks.host import db, on_postgresql
from flask_billing import Invoice, InvoiceLine, invoicing

__all__ = ["topic"]

LOOP = "closing 10,000 projects with 100,000 records / a plain loop"
ONE = "the same / one INSERT … SELECT … GROUP BY"
TWO = "speed of 2 processes / of 1"
FOUR = "speed of 4 processes / of 1"
MEMORY = "peak memory of closing them, MiB"
FLAT = "the same / at a tenth of the work"
ON_SQLITE = "closing 1,000 projects with 10,000 records on SQLite / a plain loop"

PROJECTS = 10_000
ROUNDS = 3


def _measure() -> dict[str, float]:
    with months.rates_file() as path:
        with on_postgresql(BILLING_RATES=path) as app, months.at_the_end():
            figures = _on_postgresql(app, path)
        url = f"sqlite:///{Path(path).with_name('bench.sqlite')}"
        with (
            on_postgresql(BILLING_RATES=path, SQLALCHEMY_DATABASE_URI=url),
            months.at_the_end(),
        ):
            months.make_projects(PROJECTS // 10)
            small = _medians({"ours": _close, "loop": months.by_plain_loop})
    return figures | {ON_SQLITE: small["ours"] / small["loop"]}


def _on_postgresql(app: Flask, rates: str) -> dict[str, float]:
    months.make_projects(PROJECTS // 10)
    little = _memory(app, rates)
    months.make_projects(PROJECTS - PROJECTS // 10, first=PROJECTS // 10)
    much = _memory(app, rates)
    seconds = _medians(
        {"ours": _close, "loop": months.by_plain_loop, "one": months.by_one_statement}
    )
    shared = {count: _in_processes(app, count) for count in (1, 2, 4)}
    return {
        LOOP: seconds["ours"] / seconds["loop"],
        ONE: seconds["ours"] / seconds["one"],
        TWO: shared[1] / shared[2],
        FOUR: shared[1] / shared[4],
        MEMORY: much,
        FLAT: much / little,
    }


def _medians(ways: dict[str, Callable[[], None]]) -> dict[str, float]:
    return interleaved(
        {name: lambda way=way: _closed_by(way) for name, way in ways.items()},  # type: ignore[misc]
        rounds=ROUNDS,
        warm_up=0,
    )


def _closed_by(way: Callable[[], None]) -> float:
    months.start_again()
    seconds = timed(way)
    _check()
    return seconds


def _close() -> None:
    invoicing.close()


def _check() -> None:
    invoices = db.session.scalar(select(func.count()).select_from(Invoice)) or 0
    lines = db.session.scalar(select(func.count()).select_from(InvoiceLine))
    db.session.rollback()
    assert invoices
    assert lines == invoices * months.RECORDS_OF_EACH, (invoices, lines)


def _in_processes(app: Flask, count: int) -> float:
    """Return the seconds in which so many processes close everything together."""
    months.start_again()
    db.session.remove()
    db.engine.dispose()
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(count + 1)
    workers = [fork.Process(target=_worker, args=(app, ready)) for _ in range(count)]
    for worker in workers:
        worker.start()
    ready.wait(60)

    def all_done() -> None:
        for worker in workers:
            worker.join()

    seconds = timed(all_done)
    assert not any(worker.exitcode for worker in workers)
    _check()
    return seconds


def _worker(app: Flask, ready: Barrier) -> None:
    with app.app_context():
        # What is made once in a process is made before.
        db.session.connection()
        db.session.rollback()
        ready.wait(60)
        invoicing.close()


def _memory(app: Flask, rates: str) -> float:
    """Return the most MiB that a process has which closes everything and does nothing else."""
    months.start_again()
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.closing_memory"],
        env=os.environ | {URL: url, RATES: rates},
        capture_output=True,
        text=True,
        check=True,
    )
    _check()
    return float(done.stdout)


topic = Topic(
    "closing",
    {LOOP: 1.8, ONE: None, TWO: AtLeast(1), FOUR: None, MEMORY: 200, FLAT: 1.2, ON_SQLITE: 1.8},
    _measure,
)
