"""Maps the billing tables onto the host's own registry, so that both can refer to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy.orm import DeclarativeBase

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Table
    from sqlalchemy.orm import registry

__all__ = [
    "Model",
    "current_livemode",
    "map_onto",
    "set_livemode_source",
    "table_names",
    "table_of",
]

if TYPE_CHECKING:

    class Model(DeclarativeBase):
        """What every billing model is, as far as type checkers need to know."""

else:

    class Model:
        """The base of every billing model; becomes a mapped class in :func:`map_onto`."""


_mapped_onto: registry | None = None
_livemode: Callable[[], bool] = bool


def map_onto(target: registry, models: tuple[type[Model], ...]) -> None:
    """Map `models` onto the registry `target`; a second call with the same registry does nothing.

    :raises RuntimeError: They are mapped onto another registry already.
    """
    global _mapped_onto
    if _mapped_onto is target:
        return
    if _mapped_onto is not None:
        raise RuntimeError(
            "The billing models belong to another SQLAlchemy object already: a process has one "
            "'db'. Make one SQLAlchemy() and give the same one to every Billing()."
        )
    _mapped_onto = target
    for model in models:
        target.mapped(model)


def table_names(models: tuple[type[Model], ...]) -> frozenset[str]:
    """Return the names of the tables that `models` are stored in."""
    return frozenset(str(model.__tablename__) for model in models)


def set_livemode_source(source: Callable[[], bool]) -> None:
    """Make `source` say whether a row that is made now belongs to real money."""
    global _livemode
    _livemode = source


def current_livemode() -> bool:
    """Return whether a row that is made now belongs to real money."""
    return _livemode()


def table_of(model: type[Any]) -> Table:
    """Return the table of a mapped class, for statements that need no ORM."""
    table: Table = model.__table__
    return table
