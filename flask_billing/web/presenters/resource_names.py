"""Says what people call a resource: its kind, and the name that the host gives it live."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from sqlalchemy import select

from flask_billing import projects
from flask_billing.guard import models, words_for
from flask_billing.metering.resources import kind_of, reference_of, words_of
from flask_billing.state import current

__all__ = ["Thing", "named"]

# How a select is typed differs between the releases of SQLAlchemy.
_Query = Any


class Thing(NamedTuple):
    """The host's table and key of a resource."""

    resource_type: str
    resource_id: str


def named(things: Iterable[Thing], project: Any) -> Mapping[Thing, str]:
    """Return what people call resources, such as "Server web-1".

    One statement for each kind that has a `billing_label`, and none for the others. What was
    deleted, or belongs to another project by now, goes by its id.
    """
    ids: dict[str, set[str]] = {}
    for thing in things:
        ids.setdefault(thing.resource_type, set()).add(thing.resource_id)
    names: dict[Thing, str] = {}
    for resource_type, wanted in ids.items():
        sharing = [model for model in models() if kind_of(model.__mapper__) == resource_type]
        words = _begun(words_of(resource_type))
        names |= {Thing(resource_type, key): f"{words} {key}" for key in wanted}
        for model in sharing:
            names |= _labels(model, wanted, project)
    return names


def _labels(model: type[Any], wanted: Iterable[str], project: Any) -> Mapping[Thing, str]:
    if getattr(model, "billing_label", None) is None:
        return {}
    key: Any = model.__mapper__.primary_key[0]
    mine = model.project_id == projects.normal_key(projects.key_of(project))
    query: _Query = select(model).where(key.in_(_keys(key.type.python_type, wanted)), mine)
    return {
        Thing(*reference_of(row)): f"{_begun(words_for(type(row)))} {row.billing_label}"
        for row in current().db.session.scalars(query)
    }


def _keys(kind: type[Any], texts: Iterable[str]) -> Iterator[Any]:
    """Yield texts as keys; a usage event may name a resource that the host never had."""
    for text in texts:
        with suppress(ValueError):
            yield kind(text)


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]
