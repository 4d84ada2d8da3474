"""What comparing brings to light, and what every comparison needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import false, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from flask_billing import projects
from flask_billing.models import BilledProjectRow, table_of
from flask_billing.transactions import is_broken_off

__all__ = ["PAGE", "Drift", "begin_write", "key_value", "persistently"]

#: So many are compared at a time, and mended in one transaction.
PAGE = 500

#: How often something is tried that the database broke off in favour of another.
_TRIES = 5

T = TypeVar("T")


class Drift(NamedTuple):
    """Something that does not run as it should.

    :ivar kind: ``"missing"`` (used and not running), ``"differing"`` (runs at another rate or
        quantity, or for another project), ``"unwanted"`` (runs, though it is not used, or paused,
        or its project is not billed), ``"orphaned"`` (its resource is gone), ``"unknown"`` (no
        model of this app has its table), ``"project_gone"`` or ``"project_back"`` (the key of one
        that ended is a project's again).
    """

    kind: str
    project_key: str | None
    resource_type: str | None = None
    resource_id: str | None = None
    slot: str | None = None
    mended: bool = False


def begin_write(session: Session) -> None:
    """Take SQLite's place for the one writer, before anything is read."""
    connection = projects.connection(session)
    if connection.dialect.name == "sqlite":
        table = table_of(BilledProjectRow)
        connection.execute(update(table).where(false()).values(revision=table.c.revision))


def key_value(column: Any, text: str) -> Any:
    """Return a key as its column has it; `None` where the column can't have it."""
    try:
        value = column.type.python_type(text)
    except (TypeError, ValueError):
        return None
    return value if str(value) == text else None


def persistently(act: Callable[[], T]) -> T:
    """Do a transaction of its own, and again where the database broke it off for another's sake."""
    for _ in range(_TRIES - 1):
        try:
            return act()
        except DBAPIError as error:
            if not is_broken_off(error):
                raise
    return act()
