"""Knows the host's metered models, and asks their rows what they use."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy.orm import Mapper, PassiveFlag, object_mapper
from sqlalchemy.orm.attributes import get_history

from flask_billing import guard, projects
from flask_billing.errors import UnknownRate
from flask_billing.money import EXACT
from flask_billing.rates import RateBook

__all__ = [
    "Reference",
    "Use",
    "Wanted",
    "adopt",
    "concerned",
    "former_reference_of",
    "is_metered",
    "kind_of",
    "mappers",
    "named",
    "reference_of",
    "wanted_by",
    "words_of",
]

_SLOT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_PLACES = 6
_LIMIT = 10**12

_mappers: list[Mapper[Any]] = []


class Reference(NamedTuple):
    """What a record says of its resource: the host's table, and the key as text."""

    resource_type: str
    resource_id: str


class Use(NamedTuple):
    """What a resource uses for one slot."""

    slot: str
    rate: str
    quantity: Decimal


class Wanted(NamedTuple):
    """What should be running for a resource.

    :ivar project_key: `None` where it belongs to no project, and nothing should.
    """

    resource: Reference
    project_key: str | None
    uses: tuple[Use, ...]


def adopt(mapper: Mapper[Any]) -> None:
    """Remember `mapper`, of a billable model, if its rows say what they use.

    :raises RuntimeError: A record could not name such a row.
    """
    if not hasattr(mapper.class_, "billing_rates"):
        return
    if len(mapper.primary_key) != 1:
        raise RuntimeError(
            f"{mapper.class_.__name__} has billing_rates() and needs a primary key of one column: "
            "a billing record names its resource by it."
        )
    if len(kind_of(mapper)) > 100:
        raise RuntimeError(
            f"{mapper.class_.__name__} has billing_rates(), and a table whose name has more than "
            "100 characters, which is more than a billing record takes."
        )
    _mappers.append(mapper)


def mappers() -> list[Mapper[Any]]:
    """Return the mappers of the metered models, without those that inherit from another one."""
    return [m for m in _mappers if not any(m is not o and m.isa(o) for o in _mappers)]


def is_metered(row: Any) -> bool:
    """Return whether a row says what it uses."""
    return hasattr(row, "billing_rates")


def concerned(mapper: Mapper[Any]) -> str | None:
    """Return the name of a metered model whose rows a statement on `mapper` touches, if any."""
    touched = (m for m in _mappers if m.isa(mapper) or mapper.isa(m))
    return next((m.class_.__name__ for m in touched), None)


def named(schema: str | None, name: str) -> Iterator[Mapper[Any]]:
    """Yield the mappers of metered models whose rows are in a table."""
    for mapper in _mappers:
        tables: Any = mapper.tables
        if any((table.schema, table.name) == (schema, name) for table in tables):
            yield mapper


def kind_of(mapper: Mapper[Any]) -> str:
    """Return the table that a record names: the one that gives a row its key."""
    while mapper.inherits is not None and not mapper.concrete:
        mapper = mapper.inherits
    table: Any = mapper.local_table
    name: str = table.fullname
    return name


def words_of(resource_type: str) -> str:
    """Return what people call rows of a table, such as ``"server"``.

    Where models share it, that is what the one calls them that the others inherit from. A table
    that the host never had, as usage may name one, goes by its own name.
    """
    sharing = [model for model in guard.models() if kind_of(model.__mapper__) == resource_type]
    roots = [model for model in sharing if model.__mapper__.inherits is None]
    candidates = sharing if len(sharing) == 1 else roots
    return guard.words_for(candidates[0]) if candidates else resource_type.replace("_", " ")


def reference_of(row: Any) -> Reference:
    """Return the table and key of a row."""
    mapper = object_mapper(row)
    return Reference(kind_of(mapper), str(mapper.primary_key_from_instance(row)[0]))


def former_reference_of(row: Any) -> Reference | None:
    """Return what a row was named by, where the flush in progress changes its key."""
    mapper = object_mapper(row)
    key = mapper.get_property_by_column(mapper.primary_key[0]).key
    before = get_history(row, key, PassiveFlag.PASSIVE_NO_INITIALIZE).deleted
    return Reference(kind_of(mapper), str(before[0])) if before else None


def wanted_by(row: Any, book: RateBook) -> Wanted:
    """Ask a row what it uses.

    :raises TypeError: The answer is of another form than ``{slot: (rate name, quantity)}``.
    :raises ValueError: A slot, quantity or rate in it can't be meant.
    :raises UnknownRate: There is no rate of a name in it.
    """
    key = row.project_id
    answer = row.billing_rates()
    if not isinstance(answer, Mapping):
        raise TypeError(f"{_place(row)} must return a dict of slots, not {type(answer).__name__}.")
    uses = [_use(row, slot, told, book) for slot, told in answer.items()]
    return Wanted(
        reference_of(row),
        None if key is None else str(projects.normal_key(key)),
        tuple(sorted(use for use in uses if use.quantity)),
    )


def _use(row: Any, slot: Any, told: Any, book: RateBook) -> Use:
    if not isinstance(slot, str) or not _SLOT.fullmatch(slot):
        raise ValueError(
            f"{_place(row)} has a slot that is no name of letters, digits and the characters "
            ". _ / -, at most 100 of them."
        )
    if not isinstance(told, tuple) or len(told) != 2:
        raise TypeError(f"{_place(row)} must return (rate name, quantity) for {slot}.")
    name, quantity = told
    unit = book.unit_of(name) if isinstance(name, str) else None
    if unit is None:
        raise UnknownRate(
            f"{_place(row)} names a rate for {slot} that is not in BILLING_RATES. Add it there."
        )
    if unit != "minute":
        raise ValueError(
            f"{_place(row)} names {name} for {slot}, a rate of usage events. Use one whose unit is "
            '"minute".'
        )
    return Use(slot, name, _quantity(row, slot, quantity))


def _quantity(row: Any, slot: str, quantity: Any) -> Decimal:
    if isinstance(quantity, bool) or not isinstance(quantity, int | Decimal):
        raise TypeError(
            f"{_place(row)} has a quantity for {slot} that is a {type(quantity).__name__}. Use int "
            "or Decimal."
        )
    exact = Decimal(quantity)
    in_range = exact.is_finite() and 0 <= exact < _LIMIT
    if not in_range or not _is_whole(EXACT.scaleb(exact, _PLACES)):
        raise ValueError(
            f"{_place(row)} has a quantity for {slot} that is not from 0 up to 1,000,000,000,000 "
            f"with at most {_PLACES} decimals."
        )
    return exact


def _is_whole(number: Decimal) -> bool:
    return number == EXACT.to_integral_value(number)


def _place(row: Any) -> str:
    return f"{type(row).__name__}.billing_rates()"
