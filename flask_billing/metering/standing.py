"""Locks our rows of projects against the closing of a month, and tells how they stand."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select, update

from flask_billing import projects
from flask_billing.keys import host_key
from flask_billing.models import BilledProjectRow, table_of
from flask_billing.state import current

__all__ = ["Standing", "present", "standings"]


class Standing(NamedTuple):
    """What those who write usage need to know of a project."""

    project_key: str
    billable: bool
    currency: str | None
    closed_until: datetime | None
    ended_at: datetime | None
    usage_from: datetime | None

    def has_ended_by(self, moment: datetime) -> bool:
        """Whether nothing can be used at a moment, or no invoice is to come that would have it."""
        if self.ended_at is None:
            return False
        finished = self.closed_until is not None and self.closed_until >= self.ended_at
        return finished or moment >= self.ended_at


def standings(connection: Connection, keys: Collection[str]) -> dict[str, Standing]:
    """Return how projects stand, and keep that true until the transaction ends.

    Whoever writes usage shares the lock, as far as the database can; who closes a month takes it
    alone. A project that the host has and we have no row for yet gets one; one that is unknown to
    both is left out.

    :raises RuntimeError: The connection commits each statement, so that no lock would hold.
    """
    _refuse_autocommit(connection)
    if not keys:
        return {}
    if connection.dialect.name in {"mysql", "mariadb"}:
        found = _locked(connection, present(connection, keys))
    else:
        found = _locked(connection, keys)
    if len(found) < len(keys):
        adopted = _adopt(connection, [key for key in keys if key not in found])
        found |= _locked(connection, adopted)
    return found


def _refuse_autocommit(connection: Connection) -> None:
    level = connection.get_execution_options().get("isolation_level")
    level = level or getattr(connection.dialect, "_on_connect_isolation_level", None)
    if level == "AUTOCOMMIT":
        raise RuntimeError(
            "Usage can't be recorded in AUTOCOMMIT: the lock that keeps a month from being closed "
            "meanwhile would be gone before the event is written. Use a transaction."
        )


def _locked(connection: Connection, keys: Collection[str]) -> dict[str, Standing]:
    if not keys:
        return {}
    rows = connection.execute(_locking(connection.dialect.name), {"keys": sorted(keys)})
    return {row[0]: Standing(*row) for row in rows}


@cache
def _locking(dialect: str) -> Any:
    table = table_of(BilledProjectRow)
    key, columns = table.c.project_key, [table.c[name] for name in Standing._fields]
    wanted = key.in_(bindparam("keys", expanding=True))
    if dialect == "sqlite":
        # It has one writer, and an update takes its place.
        changed = update(table).where(wanted).values(revision=table.c.revision + 1)
        return changed.returning(*columns)
    ordered = select(*columns).where(wanted).order_by(key)
    if dialect == "postgresql":
        return ordered.with_for_update(read=True, key_share=True)
    # A lock that two share on MariaDB can be raised by neither, as the guard does.
    return ordered.with_for_update()


def present(connection: Connection, keys: Iterable[str]) -> set[str]:
    """Return those that we have a row for.

    On MariaDB a locking read of a missing row would lock the gap, and two of those end in a
    deadlock when both make the row.
    """
    known = current().known_keys
    unknown = sorted(key for key in keys if key not in known)
    if unknown:
        column = table_of(BilledProjectRow).c.project_key
        known.update(connection.scalars(select(column).where(column.in_(unknown))))
    return known.intersection(keys)


def _adopt(connection: Connection, keys: Iterable[str]) -> list[str]:
    """Make our rows for projects that the host has had since before we came."""
    column = projects.primary_key()
    wanted = [key for text in keys if (key := host_key(text)) is not None]
    if not wanted:
        return []
    mapper = projects.model().__mapper__
    link = mapper.columns["billing_info_id"]
    of_host = select(column, link).select_from(mapper.persist_selectable)
    found = connection.execute(of_host.where(column.in_(wanted)).order_by(column)).all()
    for key, billing_info_id in found:
        projects.ensure_row(connection, str(key), billing_info_id)
    return [str(key) for key, _ in found]
