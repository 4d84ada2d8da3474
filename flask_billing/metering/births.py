"""Begins and ends our row for a project together with the host's own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Executable,
    bindparam,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.orm.util import identity_key

from flask_billing import clock, projects
from flask_billing.metering import spans
from flask_billing.models import MODELS, BilledProjectRow, SetupSession, UTCDateTime, table_of
from flask_billing.state import state_of_app

__all__ = ["begin", "begin_again", "end"]

#: How far the clocks of those who tell of usage may be behind ours.
_BEHIND = timedelta(minutes=5)


def begin(
    session: Session | None, connection: Connection, key: str, values: dict[str, Any]
) -> None:
    """Make our row for a project that was just created; one statement.

    A key may have belonged to a project that is gone: nothing of that one passes over. Its row,
    and all that refers to it, is kept under another key.

    :param values: What the row says from the start, such as `billable`.
    """
    state = state_of_app()
    if state is not None:
        state.known_keys.add(key)
    now = clock.now()
    table = table_of(BilledProjectRow)
    fresh: dict[str, Any] = {
        column.name: None for column in table.columns if column.nullable and not column.primary_key
    }
    fresh |= {"carried": 0, "created_at": now, "closed_until": now} | values
    if _is_new(connection, {"project_key": key, "revision": 0} | fresh):
        return
    ended_at = _put_away(connection, key)
    # An event of the former project's may still be told, or told again.
    fresh |= {"usage_from": max(min(ended_at, now), now - _BEHIND)} | values
    fresh["revision"] = table.c.revision + 1
    connection.execute(update(table).where(table.c.project_key == key).values(fresh))
    if session is not None:
        known = session.identity_map.get(identity_key(BilledProjectRow, key))
        if known is not None:
            session.expire(known)


def begin_again(connection: Connection, key: str) -> None:
    """Make our row for a project that took over a key unseen, at a moment that is not known.

    It may have used something ever since the former one was deleted.
    """
    table = table_of(BilledProjectRow)
    ended_at = connection.scalar(select(table.c.ended_at).where(table.c.project_key == key))
    link = connection.scalar(projects.link_of(projects.normal_key(key)))
    told = {"billable": True, "billing_info_id": link, "usage_from": ended_at}
    begin(None, connection, key, told)


def end(connection: Connection, key: str) -> None:
    """Note that a project is no more: its last period ends now, and all that runs for it."""
    table = table_of(BilledProjectRow)
    connection.execute(
        update(table)
        .where(table.c.project_key == key, table.c.ended_at.is_(None))
        .values(ended_at=_end(connection), revision=table.c.revision + 1),
        {"at": clock.now()},
    )
    spans.close_of_projects(connection, [key])


def _is_new(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert a row, and return whether there was none.

    On MariaDB a row that is there is locked at once: what follows would otherwise lock the gap.
    """
    table = table_of(BilledProjectRow)
    if connection.dialect.name == "postgresql":
        skipping: Executable = postgresql.insert(table).values(row).on_conflict_do_nothing()
    elif connection.dialect.name == "sqlite":
        skipping = sqlite.insert(table).values(row).on_conflict_do_nothing()
    else:
        changed = {"revision": table.c.revision + 1}
        skipping = mysql.insert(table).values(row).on_duplicate_key_update(changed)
    # MariaDB counts a row that is changed twice.
    told = {"preserve_rowcount": True}
    return connection.execute(skipping, execution_options=told).rowcount == 1


def _put_away(connection: Connection, key: str) -> datetime:
    """Move all that is kept of a former project to a key that no project can have.

    :returns: When that one ended.
    """
    table = table_of(BilledProjectRow)
    other = f"{key[:200]}~{uuid4().hex}"
    # Keeps out who closes a month, and who writes usage too.
    locked = select(table.c.project_key).where(table.c.project_key == key).with_for_update()
    connection.execute(locked)
    end(connection, key)
    copied = {column.name: column for column in table.columns} | {
        "project_key": bindparam("other", other, type_=table.c.project_key.type)
    }
    former = select(*copied.values()).where(table.c.project_key == key)
    connection.execute(insert(table).from_select(list(copied), former, include_defaults=False))
    connection.execute(
        update(SetupSession)
        .where(SetupSession.project_key == key, SetupSession.open_marker == 1)
        .values(state="superseded", open_marker=None, ended_at=clock.now())
    )
    for column in _referring():
        connection.execute(update(column.table).where(column == key).values({column.name: other}))
    query = select(table.c.ended_at).where(table.c.project_key == other)
    ended_at: datetime = connection.execute(query).scalar_one()
    return ended_at


def _referring() -> Iterator[Column[Any]]:
    """Yield every column that names one of our rows."""
    target = f"{BilledProjectRow.__tablename__}.project_key"
    for model in MODELS:
        for key in table_of(model).foreign_keys:
            if key.target_fullname == target:
                yield key.parent


def _end(connection: Connection) -> ColumnElement[Any]:
    """Return now, or when a project is closed until where that is later."""
    closed_until = table_of(BilledProjectRow).c.closed_until
    at = bindparam("at", type_=UTCDateTime())
    if connection.dialect.name == "sqlite":
        return func.max(at, func.coalesce(closed_until, at))
    return func.greatest(at, func.coalesce(closed_until, at))
