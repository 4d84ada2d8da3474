"""How many statements the guard adds to a flush."""

from __future__ import annotations

from typing import Any

from benchmarks.harness import Topic
from benchmarks.host import GUARDED, PLAIN, add_paying_project, db, on_postgresql
from benchmarks.statements import heard

__all__ = ["topic"]

ONE = "statements added to a flush, 1 row"
MANY = "statements added to a flush, 1,000 rows of 3 kinds over 10 projects"
NONE = "statements added to a flush, nothing billable"


def _measure() -> dict[str, float]:
    with on_postgresql():
        keys = [add_paying_project(f"project-{number}") for number in range(10)]
        return {
            ONE: _sent(GUARDED, keys, 1) - _sent(PLAIN, keys, 1),
            MANY: _sent(GUARDED, keys, 1000) - _sent(PLAIN, keys, 1000),
            NONE: _sent(PLAIN, keys, 1) - 1,
        }


def _sent(models: tuple[type[Any], ...], keys: list[int], rows: int) -> int:
    """Return how many statements a flush sends for `rows` of these kinds, over all projects."""
    db.session.add_all(
        models[number % len(models)](name=f"web-{number}", project_id=keys[number % len(keys)])
        for number in range(rows)
    )
    with heard(db.engine) as sent:
        db.session.flush()
    db.session.commit()
    return len(sent)


topic = Topic("guard-statements", {ONE: 1, MANY: 1, NONE: 0}, _measure)
