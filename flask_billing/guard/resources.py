"""Knows the host's billable models and the tables that their rows are created in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Select
from sqlalchemy.orm import Mapper, RelationshipProperty, class_mapper

from flask_billing import projects

__all__ = [
    "Guarded",
    "TableName",
    "adopt",
    "guarded_table",
    "is_judged",
    "models",
    "of_model",
    "placement",
    "words_for",
]

#: Schema and name: the same table may be described by several objects.
TableName = tuple[str | None, str]

_mappers: list[Mapper[Any]] = []
_tables: dict[TableName, Guarded] = {}
_placements: dict[type[Any], Guarded | None] = {}


@dataclass(frozen=True, eq=False)
class Guarded:
    """A table whose new rows need a project that can pay."""

    name: TableName
    #: Whose rows it holds; only the first, where several marked models share the table.
    model: type[Any]
    project_column: Column[Any]
    #: The attribute that holds the project; empty where there is none beside `project_id`.
    project_attribute: str
    #: Every model that is stored in the table is a free kind.
    free: bool
    #: Several models share the table, so that a statement does not tell which of them it makes.
    shared: bool


def adopt(mapper: Mapper[Any]) -> None:
    """Remember `mapper` as one of a billable model."""
    _mappers.append(mapper)
    _tables.clear()
    _placements.clear()


def models() -> list[type[Any]]:
    """Return the host's billable models, in the order of their definition."""
    return [mapper.class_ for mapper in _mappers]


def is_judged(model: type[Any]) -> bool:
    """Return whether the guard has anything to say about rows of `model`."""
    return any(mapper.class_ is model for mapper in _mappers) and not model.billing_free


def guarded_table(table: Any) -> Guarded | None:
    """Return what the guard knows of a table, or of an alias of one; `None` leaves it alone."""
    if not _tables and _mappers:
        _find_tables()
    table = getattr(table, "element", table)
    name = getattr(table, "name", None)
    return None if name is None else _tables.get((getattr(table, "schema", None), name))


def placement(model: type[Any]) -> Guarded | None:
    """Return the guarded table that rows of `model` are created in; `None` where all is free."""
    try:
        return _placements[model]
    except KeyError:
        mapper: Mapper[Any] = class_mapper(model)
        found = (guarded_table(table) for table in mapper.tables)
        _placements[model] = next((g for g in found if g is not None and not g.free), None)
        return _placements[model]


def of_model(model: type[Any], query: Select[Any]) -> Select[Any]:
    """Limit a query to rows of just `model`, without those of models that inherit from it."""
    mapper: Mapper[Any] = model.__mapper__
    if mapper.polymorphic_on is None:
        return query
    return query.where(mapper.polymorphic_on == mapper.polymorphic_identity)


def words_for(model: type[Any] | None) -> str:
    """Return what people call a row of `model`, such as ``"web server"`` for `WebServer`."""
    if model is None:
        return "resource"
    name: str | None = model.billing_name
    if name:
        return name
    return "".join(f" {c.lower()}" if c.isupper() else c for c in model.__name__).strip()


def _find_tables() -> None:
    for mapper in _mappers:
        if "project_id" not in mapper.columns:
            raise RuntimeError(
                f"{mapper.class_.__name__} is a BillableResource and needs a 'project_id' column "
                "with a foreign key to the project."
            )
        column = mapper.columns["project_id"]
        table: Any = column.table
        name = (table.schema, table.name)
        if name not in _tables:
            _tables[name] = _guarded(name, mapper, column)


def _guarded(name: TableName, mapper: Mapper[Any], column: Column[Any]) -> Guarded:
    sharing = [m for m in mapper.base_mapper.self_and_descendants if column.table in m.tables]
    marked = [m for m in _mappers if m.columns.get("project_id") is column]
    return Guarded(
        name=name,
        model=mapper.class_,
        project_column=column,
        project_attribute=_project_attribute(mapper, column),
        free=all(m.class_.billing_free for m in marked),
        shared=len(sharing) > 1,
    )


def _project_attribute(mapper: Mapper[Any], column: Column[Any]) -> str:
    project = projects.model()
    for relationship in mapper.relationships:
        if _leads_to(relationship, project) and column in relationship.local_columns:
            return relationship.key
    return ""


def _leads_to(relationship: RelationshipProperty[Any], project: type[Any]) -> bool:
    return not relationship.uselist and issubclass(relationship.mapper.class_, project)
