"""Reads from an INSERT or UPDATE which projects its rows are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column, Insert, Label, Select, Update
from sqlalchemy.sql.elements import Grouping

from flask_billing import projects

__all__ = ["UNKNOWN", "is_countable", "projects_written", "tables_written"]

#: Stands for a project that can't be known before the statement has run.
UNKNOWN = object()

Row = Mapping[str, Any]


def tables_written(statement: Insert | Update) -> list[Any]:
    """Return the tables that a statement writes to; an UPDATE of a join may name several."""
    named = [getattr(name, "table", None) for name in _set_values(statement)]
    return [statement.table, *(table for table in named if table is not None)]


def is_countable(statement: Insert | Update) -> bool:
    """Return whether the number of rows that a statement makes is known before it runs."""
    if isinstance(statement, Update):
        return False
    select: Any = statement.select
    return select is None or (isinstance(select, Select) and not select.get_final_froms())


def projects_written(
    statement: Insert | Update, column: Column[Any], rows: Sequence[Row]
) -> Counter[Any]:
    """Return how many rows `statement` writes for each project; empty where it names none.

    :param column: The column that holds the project's key.
    :param rows: The parameters that the statement is executed with, at least one mapping.
    """
    values = _inserted if isinstance(statement, Insert) else _updated
    return Counter(_normal(value) for value in values(statement, column, rows))


def _normal(value: Any) -> Any:
    if value is None or value is UNKNOWN:
        return UNKNOWN
    try:
        return projects.normal_key(value)
    except (TypeError, ValueError):
        return UNKNOWN


def _inserted(statement: Any, column: Column[Any], rows: Sequence[Row]) -> Iterator[Any]:
    for row in rows:
        if statement.select is not None:
            yield _selected(statement, column, row)
        elif statement._multi_values:
            for entry in _entries(statement):
                yield _value(entry, column, row, _default(column))
        else:
            yield _value(statement._values or {}, column, row, _default(column))
        yield from _set_on_conflict(statement, column, row)


def _updated(statement: Any, column: Column[Any], rows: Sequence[Row]) -> Iterator[Any]:
    for row in rows:
        value = _value(_set_values(statement), column, row, None)
        if value is not None:
            yield value


def _set_values(statement: Any) -> Mapping[Any, Any]:
    ordered = getattr(statement, "_ordered_values", None)
    return dict(ordered or statement._values or {})


def _entries(statement: Any) -> Iterator[Mapping[Any, Any]]:
    for group in statement._multi_values:
        for entry in group:
            named = isinstance(entry, Mapping)
            yield entry if named else dict(zip(statement.table.columns, entry, strict=False))


def _selected(statement: Any, column: Column[Any], row: Row) -> Any:
    """Return the project that an INSERT … SELECT writes, where it is the same for every row."""
    places = [n for n, name in enumerate(statement._select_names) if _is_column(name, column)]
    if not places or not isinstance(statement.select, Select):
        return UNKNOWN
    return _plain(list(statement.select.selected_columns)[places[0]], row)


def _set_on_conflict(statement: Any, column: Column[Any], row: Row) -> Iterator[Any]:
    """Yield the project that an upsert moves a row to, unless it is the inserted one."""
    clause = getattr(statement, "_post_values_clause", None)
    changes = getattr(clause, "update_values_to_set", None) or getattr(clause, "update", None)
    pairs: Iterable[Any] = changes.items() if isinstance(changes, Mapping) else changes or ()
    for name, value in pairs:
        if _is_column(name, column) and not _is_column(value, column):
            yield _plain(value, row)


def _value(values: Mapping[Any, Any], column: Column[Any], row: Row, default: Any) -> Any:
    for name, value in values.items():
        if _is_column(name, column):
            return _plain(value, row)
    for name in (column.key, column.name):
        if name in row:
            return row[name]
    return default


def _is_column(name: Any, column: Column[Any]) -> bool:
    """Return whether `name`, as text or as any object for the column, means `column`."""
    if isinstance(name, str):
        return name in {column.key, column.name}
    same_name = getattr(name, "name", None) == column.name
    return same_name and not isinstance(name, BindParameter | Label)


def _plain(value: Any, row: Row) -> Any:
    """Return the value that an expression stands for, where it is no more than a parameter."""
    while isinstance(value, Label | Grouping):
        value = value.element
    if isinstance(value, BindParameter):
        return row.get(value.key, value.effective_value)
    is_sql = hasattr(value, "__clause_element__") or hasattr(value, "compile")
    return UNKNOWN if is_sql else value


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    return default.arg if default is not None and default.is_scalar else UNKNOWN
