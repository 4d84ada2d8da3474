"""Reads from an INSERT or UPDATE which projects its rows are for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import BindParameter, Column, ColumnClause, Insert, Table, Update

from flask_billing import projects

__all__ = ["UNKNOWN", "projects_written"]

#: Stands for a project that can't be known before the statement has run.
UNKNOWN = object()


def projects_written(
    statement: Insert | Update, column: Column[Any], rows: Sequence[Mapping[str, Any]]
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


def _inserted(
    statement: Any, column: Column[Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Any]:
    if statement.select is not None:
        yield _selected(statement, column)
    elif statement._multi_values:
        for group in statement._multi_values:
            for entry in group:
                yield _value(_named(entry, column.table), column, rows[0], _default(column))
    else:
        for row in rows:
            yield _value(statement._values or {}, column, row, _default(column))
    yield from _set_on_conflict(statement, column, rows[0])


def _updated(
    statement: Any, column: Column[Any], rows: Sequence[Mapping[str, Any]]
) -> Iterator[Any]:
    ordered = getattr(statement, "_ordered_values", None)
    values = dict(ordered or statement._values or {})
    for row in rows:
        value = _value(values, column, row, None)
        if value is not None:
            yield value


def _selected(statement: Any, column: Column[Any]) -> Any:
    names = [getattr(name, "key", name) for name in statement._select_names]
    if column.key not in names:
        return UNKNOWN
    chosen = list(statement.select.selected_columns)[names.index(column.key)]
    return _plain(getattr(chosen, "element", chosen), {})


def _set_on_conflict(statement: Any, column: Column[Any], row: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the project that an upsert moves a row to, unless it is the inserted one."""
    clause = getattr(statement, "_post_values_clause", None)
    changes = getattr(clause, "update_values_to_set", None) or getattr(clause, "update", None)
    pairs: Iterable[Any] = changes.items() if isinstance(changes, Mapping) else changes or ()
    for name, value in pairs:
        if getattr(name, "key", name) != column.key:
            continue
        if isinstance(value, ColumnClause) and value.key == column.key:
            continue
        yield _plain(value, row)


def _named(entry: Any, table: Table) -> Mapping[Any, Any]:
    if isinstance(entry, Mapping):
        return entry
    return dict(zip(table.columns, entry, strict=False))


def _value(
    values: Mapping[Any, Any], column: Column[Any], row: Mapping[str, Any], default: Any
) -> Any:
    for name, value in values.items():
        if getattr(name, "key", name) == column.key:
            return _plain(value, row)
    return row.get(column.key, default)


def _plain(value: Any, row: Mapping[str, Any]) -> Any:
    if isinstance(value, BindParameter):
        return row.get(value.key, value.effective_value)
    return UNKNOWN if hasattr(value, "__clause_element__") or _is_sql(value) else value


def _is_sql(value: Any) -> bool:
    return hasattr(value, "compile")


def _default(column: Column[Any]) -> Any:
    default: Any = column.default
    return default.arg if default is not None and default.is_scalar else UNKNOWN
