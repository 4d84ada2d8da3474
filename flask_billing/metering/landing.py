"""Writes usage events, each id of a project once, and reads what was told before."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import (
    JSON,
    Column,
    ColumnElement,
    Connection,
    Date,
    Text,
    Uuid,
    and_,
    bindparam,
    case,
    cast,
    column,
    func,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from flask_billing.metering import totals
from flask_billing.metering.entries import Entry
from flask_billing.models import Usage, table_of

__all__ = ["Entry", "Stored", "land", "stored"]

_IDENTITY = ["project_key", "event_id"]


class Stored(NamedTuple):
    """A usage event as it was told first."""

    project_key: str
    event_id: str
    rate_id: UUID
    quantity: Decimal
    used_at: datetime
    resource_type: str | None
    resource_id: str | None


def land(connection: Connection, entries: Sequence[Entry]) -> set[UUID]:
    """Write events and their totals, but for those whose identity is there already.

    :param entries: Each identity once, in their order: two who write the same events at the same
        time then wait for each other, and not both for each other.
    :returns: The ids of those that were written.
    :raises OverflowError: A day's total would pass what SQLite can hold; nothing is written then.
    """
    if connection.dialect.name == "postgresql":
        return _land_on_postgresql(connection, entries)
    if connection.dialect.name == "sqlite":
        # A host that goes on after an overflow must not commit events without their totals.
        with connection.begin_nested():
            return _land(connection, entries)
    return _land(connection, entries)


def _land(connection: Connection, entries: Sequence[Entry]) -> set[UUID]:
    rows = [entry._asdict() for entry in entries]
    ids = set(connection.scalars(_landing(connection.dialect.name), rows))
    landed = [entry for entry in entries if entry.id in ids]
    if landed:
        totals.add(connection, landed)
    return {entry.id for entry in landed}


def stored(
    connection: Connection, identities: Collection[tuple[str, str]]
) -> dict[tuple[str, str], Stored]:
    """Return what was told under these identities, those included that others just committed."""
    if not identities:
        return {}
    query, given = _stored(connection.dialect.name), sorted(identities)
    if connection.dialect.name == "postgresql":
        told = json.dumps([dict(zip(_IDENTITY, identity, strict=True)) for identity in given])
        rows = connection.execute(query, {"given": told})
    else:
        rows = connection.execute(query, {"given": given})
    return {(row[0], row[1]): Stored(*row) for row in rows}


@cache
def _landing(dialect: str) -> Any:
    """Return the insert that gives the id of each event, be it new or there already."""
    table = table_of(Usage)
    if dialect == "sqlite":
        lite = sqlite.insert(table)
        unchanged = lite.on_conflict_do_update(index_elements=_IDENTITY, set_={"id": table.c.id})
        return unchanged.returning(table.c.id)
    return mysql.insert(table).on_duplicate_key_update(id=table.c.id).returning(table.c.id)


@cache
def _stored(dialect: str) -> Any:
    table = table_of(Usage)
    key, event_id = (table.c[name] for name in _IDENTITY)
    query = select(*(table.c[name] for name in Stored._fields))
    if dialect == "postgresql":
        # A list of a thousand pairs would be planned as a thousand conditions.
        given = _recordset(key, event_id)
        return query.join_from(
            given, table, and_(key == given.c.project_key, event_id == given.c.event_id)
        )
    wanted = query.where(tuple_(key, event_id).in_(bindparam("given", expanding=True)))
    # On MariaDB a plain read would give what was there when the transaction began.
    return wanted if dialect == "sqlite" else wanted.with_for_update(read=True)


def _land_on_postgresql(connection: Connection, entries: Sequence[Entry]) -> set[UUID]:
    given = {"given": _as_json(entries), "count": len(entries)}
    some = connection.scalar(_landing_on_postgresql(), given)
    return {entry.id for entry in entries} if some is None else set(some)


def _as_json(entries: Sequence[Entry]) -> str:
    """Return the events as one text, which the driver sends much faster than so many values."""
    return json.dumps(
        [
            {
                "id": str(entry.id),
                "project_key": entry.project_key,
                "event_id": entry.event_id,
                "rate_id": str(entry.rate_id),
                "quantity": f"{entry.quantity:f}",
                "used_at": entry.used_at.isoformat(),
                "resource_type": entry.resource_type,
                "resource_id": entry.resource_id,
                "counted_in": entry.counted_in.isoformat(),
                "recorded_at": entry.recorded_at.isoformat(),
            }
            for entry in entries
        ]
    )


@cache
def _landing_on_postgresql() -> Any:
    """Return the statement that writes events and totals; null means that all were new.

    Otherwise it gives the ids of those that were, an array without any where none was.
    """
    table = table_of(Usage)
    columns = [table.c[name] for name in Entry._fields]
    given = _recordset(*columns)
    landed = (
        postgresql.insert(table)
        .from_select(columns, select(given))
        .on_conflict_do_nothing(index_elements=_IDENTITY)
        .returning(*table.c)
        .cte("landed")
    )
    count = func.count()
    ids = func.coalesce(
        func.array_agg(landed.c.id), literal_column("ARRAY[]::uuid[]"), type_=ARRAY(Uuid)
    )
    some = case((count < bindparam("count"), ids))
    return select(some).select_from(landed).add_cte(totals.adding(_sums(landed)).cte("added"))


def _recordset(*columns: Column[Any]) -> Any:
    """Return the rows of PostgreSQL that a text of JSON, the parameter `given`, stands for."""
    records = func.json_to_recordset(cast(bindparam("given", type_=Text), JSON))
    valued = records.table_valued(*(column(c.name, c.type) for c in columns), name="given")
    return valued.render_derived(with_types=True)


def _sums(landed: Any) -> Any:
    """Return the query for what events that have landed add to the totals, in their order."""
    day = cast(func.timezone(literal_column("'UTC'"), landed.c.used_at), Date)
    nothing: ColumnElement[str] = literal_column("''")
    key = (
        landed.c.project_key,
        landed.c.counted_in,
        day,
        landed.c.rate_id,
        func.coalesce(landed.c.resource_type, nothing),
        func.coalesce(landed.c.resource_id, nothing),
    )
    columns = [part.label(f"key_{place}") for place, part in enumerate(key)]
    return (
        select(*columns, func.sum(landed.c.quantity), func.count())
        .group_by(*columns)
        .order_by(*columns)
    )
