"""Keeps the sum of each day's usage, so that nobody has to add up the events themselves."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Select, literal, type_coerce
from sqlalchemy.dialects import mysql, postgresql, sqlite

from flask_billing.metering.entries import Entry
from flask_billing.models import UsageTotal, table_of
from flask_billing.money import EXACT

__all__ = ["add", "adding"]

#: The largest whole number of SQLite: 9,223,372,036,854.775807 as a quantity.
_LARGEST = 2**63 - 1


def add(connection: Connection, entries: Iterable[Entry]) -> None:
    """Add usage events that have just landed to the totals of their days.

    :raises OverflowError: A day's total would pass what SQLite can hold exactly.
    """
    rows = _rows(entries)
    if connection.dialect.name != "sqlite":
        connection.execute(_adding_on_mariadb(), rows)
        return
    # Inserted rows are counted only where that is asked for.
    counting = {"preserve_rowcount": True}
    done = connection.execute(_adding_on_sqlite(), rows, execution_options=counting)
    if done.rowcount < len(rows):
        raise OverflowError(
            "A day's usage of one rate passes 9,223,372,036,854, which is all that SQLite holds "
            "exactly. Count in a larger unit, or use PostgreSQL or MariaDB."
        )


def adding(rows: Select[Any]) -> Any:
    """Return the statement that adds, on PostgreSQL, what a query of events gives.

    :param rows: Gives the columns of a total, in their order.
    """
    table = table_of(UsageTotal)
    statement = postgresql.insert(table).from_select(list(table.c.keys()), rows)
    return statement.on_conflict_do_update(index_elements=_key(), set_=_sums(statement.excluded))


def _rows(entries: Iterable[Entry]) -> list[dict[str, Any]]:
    """Return what to add to each total, in the order in which everyone writes them."""
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for entry in entries:
        row = _row(entry)
        key = tuple(row[name] for name in _key())
        before = rows.setdefault(key, row)
        if before is not row:
            before["quantity"] = EXACT.add(before["quantity"], entry.quantity)
            before["event_count"] += 1
    return [rows[key] for key in sorted(rows)]


def _row(entry: Entry) -> dict[str, Any]:
    return {
        "project_key": entry.project_key,
        "counted_in": entry.counted_in,
        "day": entry.used_at.date(),
        "rate_id": entry.rate_id,
        "resource_type": entry.resource_type or "",
        "resource_id": entry.resource_id or "",
        "quantity": entry.quantity,
        "event_count": 1,
    }


@cache
def _key() -> list[str]:
    return [column.name for column in table_of(UsageTotal).primary_key]


@cache
def _adding_on_mariadb() -> Any:
    statement = mysql.insert(table_of(UsageTotal))
    return statement.on_duplicate_key_update(_sums(statement.inserted))


@cache
def _adding_on_sqlite() -> Any:
    """Beyond its largest whole number SQLite would go on in floats, without a word."""
    statement = sqlite.insert(table_of(UsageTotal))
    before, added = table_of(UsageTotal).c.quantity, statement.excluded.quantity
    return statement.on_conflict_do_update(
        index_elements=_key(),
        set_=_sums(statement.excluded),
        where=_number(before) <= literal(_LARGEST, BigInteger) - _number(added),
    )


def _number(column: ColumnElement[Any]) -> ColumnElement[int]:
    return type_coerce(column, BigInteger)


def _sums(added: Any) -> dict[str, ColumnElement[Any]]:
    total = table_of(UsageTotal).c
    return {
        "quantity": total.quantity + added.quantity,
        "event_count": total.event_count + added.event_count,
    }
