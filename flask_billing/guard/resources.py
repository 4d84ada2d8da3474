"""Knows the host's billable models and the tables that their rows are created in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Table
from sqlalchemy.orm import Mapper, RelationshipProperty

from flask_billing import projects

__all__ = ["Guarded", "adopt", "guarded_tables", "models", "words_for"]

_mappers: list[Mapper[Any]] = []
_tables: dict[Table, Guarded] = {}


@dataclass(frozen=True)
class Guarded:
    """A table whose new rows need a project that can pay."""

    model: type[Any]
    project_column: Column[Any]
    #: The attribute that holds the project's key, and the one that holds the project, if any.
    key_attribute: str
    project_attribute: str | None
    #: Every model that is stored in the table is a free kind.
    free: bool


def adopt(mapper: Mapper[Any]) -> None:
    """Remember `mapper` as one of a billable model."""
    _mappers.append(mapper)
    _tables.clear()


def models() -> list[type[Any]]:
    """Return the host's billable models, in the order of their definition."""
    return [mapper.class_ for mapper in _mappers]


def guarded_tables() -> dict[Table, Guarded]:
    """Return the tables that the guard watches."""
    if not _tables and _mappers:
        found: dict[Table, Guarded] = {}
        for mapper in _mappers:
            guarded = _guarded(mapper)
            found.setdefault(_table(guarded.project_column), guarded)
        _tables.update(found)
    return _tables


def words_for(model: type[Any] | None) -> str:
    """Return what people call a row of `model`, such as ``"web server"`` for `WebServer`."""
    if model is None:
        return "resource"
    name: str | None = model.billing_name
    if name:
        return name
    return "".join(f" {c.lower()}" if c.isupper() else c for c in model.__name__).strip()


def _guarded(mapper: Mapper[Any]) -> Guarded:
    if "project_id" not in mapper.columns:
        raise RuntimeError(
            f"{mapper.class_.__name__} is a BillableResource and needs a 'project_id' column with "
            "a foreign key to the project."
        )
    column = mapper.columns["project_id"]
    same_table = [m for m in _mappers if m.columns.get("project_id") is column]
    return Guarded(
        model=mapper.class_,
        project_column=column,
        key_attribute="project_id",
        project_attribute=_project_attribute(mapper, column),
        free=all(m.class_.billing_free for m in same_table),
    )


def _project_attribute(mapper: Mapper[Any], column: Column[Any]) -> str | None:
    project = projects.model()
    for relationship in mapper.relationships:
        if _leads_to(relationship, project) and column in relationship.local_columns:
            return relationship.key
    return None


def _leads_to(relationship: RelationshipProperty[Any], project: type[Any]) -> bool:
    return not relationship.uselist and issubclass(relationship.mapper.class_, project)


def _table(column: Column[Any]) -> Table:
    table: Table = column.table
    return table
