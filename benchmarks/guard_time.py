"""How much longer a transaction (add, flush, commit) takes for the guard.

On a server as it is installed, and, without a target, on one that does not wait for its disk
(`synchronous_commit` off): there the transaction is as short as it can be, and the guard's share as
large.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import Topic, interleaved, timed
from benchmarks.host import PlainServer, Server, add_paying_project, db, on_postgresql
from benchmarks.statements import Sent, heard

__all__ = ["topic"]

ONE = "guarded / unguarded transaction, 1 row"
ONE_BARE = "raw locking SELECT / unguarded, 1 row"
ONE_SHORT = "the same, 1 row, without waiting for the disk"
ONE_SHORT_BARE = "raw locking SELECT, 1 row, without waiting for the disk"
MANY = "guarded / unguarded transaction, 1,000 rows"
MANY_BARE = "raw locking SELECT / unguarded, 1,000 rows"

NOT_WAITING = {"connect_args": {"options": "-c synchronous_commit=off"}}


def _measure() -> dict[str, float]:
    with on_postgresql():
        key = add_paying_project("one")
        one = _medians(key, rows=1, rounds=1500, warm_up=100)
        many = _medians(key, rows=1000, rounds=40, warm_up=4)
    with on_postgresql(SQLALCHEMY_ENGINE_OPTIONS=NOT_WAITING):
        key = add_paying_project("one")
        short = _medians(key, rows=1, rounds=1500, warm_up=100)
    return {
        ONE: one["guarded"] / one["plain"],
        ONE_BARE: one["bare"] / one["plain"],
        ONE_SHORT: short["guarded"] / short["plain"],
        ONE_SHORT_BARE: short["bare"] / short["plain"],
        MANY: many["guarded"] / many["plain"],
        MANY_BARE: many["bare"] / many["plain"],
    }


def _medians(key: int, *, rows: int, rounds: int, warm_up: int) -> dict[str, float]:
    statement, parameters = _statement_of_the_guard(key)

    def ask() -> None:
        db.session.connection().exec_driver_sql(statement, parameters).all()

    return interleaved(
        {
            "guarded": lambda: _transaction(Server, key, rows),
            "plain": lambda: _transaction(PlainServer, key, rows),
            "bare": lambda: _transaction(PlainServer, key, rows, before=ask),
        },
        rounds=rounds,
        warm_up=warm_up,
    )


def _transaction(
    model: type[Any], key: int, rows: int, *, before: Callable[[], None] = lambda: None
) -> float:
    """Return the seconds of one transaction, in a session as new as that of a request."""
    resources = [model(name=f"web-{number}", project_id=key) for number in range(rows)]

    def run() -> None:
        db.session.add_all(resources)
        before()
        db.session.flush()
        db.session.commit()

    # With the session made and put away outside: that is the host's, not the transaction's.
    db.session()
    seconds = timed(run)
    db.session.remove()
    return seconds


def _statement_of_the_guard(key: int) -> Sent:
    """Return what the guard sends for one project, to be sent without the guard."""
    with heard(db.engine) as sent:
        _transaction(Server, key, 1)
    first, *_ = sent
    assert first[0].startswith("SELECT"), first[0]
    assert "FOR " in first[0], "The guard locks nothing."
    return first


topic = Topic(
    "guard-time",
    {
        ONE: 1.4,
        ONE_BARE: None,
        ONE_SHORT: None,
        ONE_SHORT_BARE: None,
        MANY: 1.15,
        MANY_BARE: None,
    },
    _measure,
)
