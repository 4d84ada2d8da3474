"""What usage events cost with their checks and totals, against writing the bare rows.

The bare rows go into a table with the same columns and indexes, without foreign keys. Each side
commits, on a server that is installed as it comes. On SQLite batches are a tenth as large.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Column, MetaData, Table, func, insert, select, text

from benchmarks.harness import AtLeast, Topic, interleaved, timed
from benchmarks.host import add_paying_project, billing, db, on_postgresql
from flask_billing import Usage, UsageRow, UsageTotal
from flask_billing.ids import uuid7
from flask_billing.models import table_of

__all__ = ["topic"]

BATCH = "1,000 usage events: the driver's executemany of bare rows / ours"
SINGLE = "1 usage event: a bare row through Core / ours"
AGAIN = "1,000 duplicates: the driver's executemany of bare rows / ours"
BATCH_ON_SQLITE = "100 usage events on SQLite: the driver's executemany of bare rows / ours"
SINGLE_ON_SQLITE = "1 usage event on SQLite: a bare row through Core / ours"

PROJECTS = 10
RATES = ("calls", "tokens", "mails")
_RATES = "\n".join(
    f'[[rate]]\nname = "{name}"\nunit = "count"\nunit_price = "0.0001"\ncurrency = "usd"\n'
    "active_from = 2020-01-01"
    for name in RATES
)
_BARE = "bare_usage"


def _measure() -> dict[str, float]:
    with _rates_file() as path:
        with on_postgresql(BILLING_RATES=path):
            batch, single = _medians(1000, rounds=60), _singles(rounds=1500)
        url = f"sqlite:///{Path(path).with_name('bench.sqlite')}"
        with on_postgresql(BILLING_RATES=path, SQLALCHEMY_DATABASE_URI=url):
            small, one = _medians(100, rounds=60), _singles(rounds=300)
    return {
        BATCH: batch["bare"] / batch["ours"],
        SINGLE: single["bare"] / single["ours"],
        AGAIN: batch["bare"] / batch["again"],
        BATCH_ON_SQLITE: small["bare"] / small["ours"],
        SINGLE_ON_SQLITE: one["bare"] / one["ours"],
    }


@contextmanager
def _rates_file() -> Iterator[str]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rates.toml"
        path.write_text(_RATES)
        yield str(path)


def _medians(size: int, *, rounds: int) -> dict[str, float]:
    keys = [add_paying_project(f"of-{size}-{number}") for number in range(PROJECTS)]
    bare = _bare_table()
    last: list[UsageRow] = []

    def ours() -> float:
        last[:] = [_told(keys) for _ in range(size)]
        return _recorded(last, "recorded")

    contestants = {
        "bare": lambda: _executemany(bare, [_row(bare, keys) for _ in range(size)]),
        "ours": ours,
        "again": lambda: _recorded(last, "duplicate"),
    }
    medians = interleaved(contestants, rounds=rounds, warm_up=4)
    _check_totals()
    return medians


def _singles(*, rounds: int) -> dict[str, float]:
    keys = [add_paying_project(f"single-{number}") for number in range(PROJECTS)]
    bare = _bare_table()

    def ours() -> float:
        row = _told(keys)

        def run() -> None:
            billing.record_usage(*row)
            db.session.commit()

        return _in_session(run)

    def through_core() -> float:
        row = _row(bare, keys)

        def run() -> None:
            db.session.connection().execute(insert(bare), row)
            db.session.commit()

        return _in_session(run)

    return interleaved({"bare": through_core, "ours": ours}, rounds=rounds, warm_up=50)


def _in_session(run: Callable[[], None]) -> float:
    """Return the seconds of a transaction, in a session as new as that of a request."""
    db.session()
    seconds = timed(run)
    db.session.remove()
    return seconds


def _recorded(rows: list[UsageRow], state: str) -> float:
    states: set[str] = set()

    def run() -> None:
        states.update(result.state for result in billing.record_usage_batch(rows))
        db.session.commit()

    seconds = _in_session(run)
    assert states == {state}, states
    return seconds


def _executemany(table: Table, rows: list[dict[str, Any]]) -> float:
    """Write rows as the driver does it by itself; return the seconds."""
    compiled = insert(table).compile(dialect=db.engine.dialect)
    process = {
        name: to_driver
        for name, bind in compiled.binds.items()
        if (
            to_driver := bind.type.dialect_impl(db.engine.dialect).bind_processor(db.engine.dialect)
        )
    }
    for row in rows:
        row |= {name: to_driver(row[name]) for name, to_driver in process.items()}
    names = compiled.positiontup
    given = rows if names is None else [tuple(row[name] for name in names) for row in rows]
    connection = db.engine.raw_connection()
    try:

        def run() -> None:
            cursor = connection.cursor()
            cursor.executemany(str(compiled), given)
            cursor.close()
            connection.commit()

        return timed(run)
    finally:
        connection.close()


def _bare_table() -> Table:
    """Return the twin of the table of usage, made now if it is not there."""
    own = table_of(Usage)
    twin = Table(_BARE, MetaData(), *(Column(c.name, c.type, nullable=c.nullable) for c in own.c))
    if db.engine.dialect.name == "postgresql":
        db.session.execute(
            text(f"CREATE TABLE IF NOT EXISTS {_BARE} (LIKE {own.name} INCLUDING ALL)")
        )
    else:
        twin.create(db.session.connection(), checkfirst=True)
        for columns in ("id", "project_key, event_id", "project_key, counted_in"):
            name = columns.replace(", ", "_")
            unique = "" if "counted_in" in columns else "UNIQUE "
            db.session.execute(
                text(f"CREATE {unique}INDEX IF NOT EXISTS bare_{name} ON {_BARE} ({columns})")
            )
    db.session.commit()
    return twin


_numbers = count()


def _told(keys: list[int]) -> UsageRow:
    number = next(_numbers)
    at = datetime.now(UTC) - timedelta(seconds=random.randrange(600))
    return UsageRow(
        keys[number % PROJECTS], RATES[number % len(RATES)], number % 7 + 1, f"event-{number}", at
    )


def _row(bare: Table, keys: list[int]) -> dict[str, Any]:
    told = _told(keys)
    assert told.at is not None
    return {
        "id": uuid7(),
        "project_key": str(told.project),
        "event_id": told.event_id,
        "rate_id": uuid7(),
        "quantity": told.quantity,
        "used_at": told.at,
        "resource_type": None,
        "resource_id": None,
        "counted_in": told.at.date().replace(day=1),
        "recorded_at": told.at,
    }


def _check_totals() -> None:
    """Both sides have to have done all their work."""
    usage, total, bare = (func.count(), func.sum(UsageTotal.event_count), text("count(*)"))
    told = db.session.scalar(select(usage).select_from(Usage))
    summed = db.session.scalar(select(total))
    assert told == summed == db.session.scalar(select(bare).select_from(text(_BARE)))


topic = Topic(
    "usage",
    {
        BATCH: AtLeast(0.4),
        SINGLE: AtLeast(0.5),
        AGAIN: None,
        BATCH_ON_SQLITE: None,
        SINGLE_ON_SQLITE: None,
    },
    _measure,
)
