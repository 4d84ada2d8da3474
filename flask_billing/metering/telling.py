"""Reads what the host tells of usage: wrong types are raised, wrong values refuse their row."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import inspect
from sqlalchemy.orm import InstanceState, scoped_session

from flask_billing import clock, projects
from flask_billing.keys import is_storable
from flask_billing.metering import resources

__all__ = ["MOST_ROWS", "PLAIN_ID", "Told", "UsageRow", "read"]

#: So many rows of a batch fit into the statements of every database.
MOST_ROWS = 10_000

_PLACES = 6
_LIMIT = 10**12
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
#: No e-mail address, and nothing that a database might take for another id.
PLAIN_ID = re.compile(r"[!-?A-~]{1,255}")


class UsageRow(NamedTuple):
    """A usage event as the host tells it; also a mapping with these keys will do.

    :ivar project: The project, or its key.
    :ivar rate: A rate's name; its unit is ``"count"``.
    :ivar quantity: More than 0, below 1,000,000,000,000, with at most 6 decimals.
    :ivar event_id: The caller's own id of the event, unique for the project: up to 255 visible
        ASCII characters without ``@``.
    :ivar at: When it happened, with a zone; now where nothing is said.
    :ivar resource: What was used: one of the host's rows, or its table and key as two texts. Its
        key has no ``@`` either.
    """

    project: Any
    rate: str
    quantity: Decimal | int
    event_id: str
    at: datetime | None = None
    resource: Any = None


class Told(NamedTuple):
    """What a row of the host's says, in our own terms."""

    #: `None` where there can be no such project.
    project_key: str | None
    event_id: str
    rate_name: str
    quantity: Decimal | int
    used_at: datetime
    at_given: bool
    resource_type: str | None
    resource_id: str | None
    #: Why no event can be made of it, in one word.
    fault: str | None

    @property
    def identity(self) -> tuple[str, str] | None:
        """The same event has the same, however often it is told; `None` where it is none."""
        if self.project_key is None or self.fault:
            return None
        return self.project_key, self.event_id


def read(rows: Iterable[UsageRow | Mapping[str, Any]], session: scoped_session[Any]) -> list[Told]:
    """Return what the rows say; those of which no event can be made say why.

    :raises TypeError: A value is of a type that can't be meant.
    :raises ValueError: A moment has no zone, or there are more rows than `MOST_ROWS`.
    """
    reader = _Reader(session)
    all_told = []
    for place, row in enumerate(rows):
        if place == MOST_ROWS:
            raise ValueError(f"A batch has at most {MOST_ROWS:,} rows. Record the rest in another.")
        try:
            all_told.append(reader.told(row if isinstance(row, UsageRow) else UsageRow(**row)))
        except (TypeError, ValueError) as error:
            error.add_note(f"It is row {place} of the usage, counted from 0.")
            raise
    return all_told


class _Reader:
    """Reads one batch; what several rows name is looked at once."""

    def __init__(self, session: scoped_session[Any]) -> None:
        self._session = session
        self._now = clock.now()
        self._keys: dict[Any, str | None] = {}

    def told(self, row: Any) -> Told:
        if not isinstance(row.rate, str) or not isinstance(row.event_id, str):
            raise TypeError("rate and event_id are texts.")
        fault = _fault_of_quantity(row.quantity)
        used_at = self._now if row.at is None else _moment(row.at)
        kind = identity = None
        if row.resource is not None:
            kind, identity = self._resource(row.resource)
            if not is_storable(kind, 100) or not is_storable(identity) or "@" in f"{identity}":
                fault = "bad_resource"
        if not PLAIN_ID.fullmatch(row.event_id):
            fault = "bad_event_id"
        return Told(
            self._project_key(row.project),
            row.event_id,
            row.rate,
            row.quantity,
            used_at,
            row.at is not None,
            kind,
            identity,
            fault,
        )

    def _project_key(self, project: Any) -> str | None:
        if isinstance(project, projects.model()):
            return self._identity(project)
        if type(project) not in {int, str, UUID}:
            return _key(project)
        # The type is part of it: 1 and "1" need not mean the same project.
        place = type(project), project
        if place not in self._keys:
            self._keys[place] = _key(project)
        return self._keys[place]

    def _resource(self, resource: Any) -> tuple[str, str | None]:
        if isinstance(resource, tuple | list):
            if len(resource) == 2 and all(isinstance(part, str) for part in resource):
                return resource[0], resource[1]
        else:
            state = inspect(resource, raiseerr=False)
            if isinstance(state, InstanceState) and len(state.mapper.primary_key) == 1:
                return resources.kind_of(state.mapper), self._identity(resource)
        raise TypeError(
            "resource is a row of yours with a key of one column, or its table and key as texts."
        )

    def _identity(self, row: Any) -> str | None:
        """Return the key of a row as text; `None` where it is not to be saved."""
        state: InstanceState[Any] = inspect(row)
        if state.pending:
            self._session.flush()
        return None if state.identity is None else str(state.identity[0])


def _key(value: Any) -> str | None:
    """Return a project's key as text; `None` where there can be no such project."""
    try:
        key = str(projects.normal_key(value))
    except (TypeError, ValueError, ArithmeticError):
        return None
    return key if is_storable(key) else None


def _fault_of_quantity(value: Any) -> str | None:
    """Return what is wrong with a quantity, in one word.

    :raises TypeError: It is no whole number and no decimal.
    """
    if type(value) is int:
        return None if 0 < value < _LIMIT else "bad_quantity"
    if not isinstance(value, Decimal):
        raise TypeError(f"quantity is an int or a Decimal, and no {type(value).__name__}.")
    fits = value.is_finite() and 0 < value < _LIMIT and not _has_more_places(value)
    return None if fits else "bad_quantity"


def _has_more_places(value: Decimal) -> bool:
    _, digits, exponent = value.as_tuple()
    surplus = -_PLACES - int(exponent)
    return surplus > 0 and any(digits[-surplus:])


def _moment(at: Any) -> datetime:
    """Return a moment in UTC.

    :raises TypeError: It is none.
    :raises ValueError: It has no zone.
    """
    if not isinstance(at, datetime):
        raise TypeError(f"at is a datetime, and no {type(at).__name__}.")
    if at.utcoffset() is None:
        raise ValueError("at has no zone, as datetime.now(UTC) has.")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        # Within a day of the first or the last moment that there is.
        return _LAST if at.year > 1 else _FIRST
