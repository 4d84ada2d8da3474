"""Pages long lists by position: each page costs the same, and none of its rows is shown twice."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, and_, or_

from flask_billing.state import current

__all__ = ["PAGE_SIZE", "Order", "Page", "Query", "page_of"]

PAGE_SIZE = 50

#: How a select is typed differs between the releases of SQLAlchemy.
Query = Any
Row = TypeVar("Row")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9]{1,16})-([0-9a-f]{32})")


class Order(NamedTuple):
    """The columns that a list is ordered by, newest first.

    :ivar at: Null where the key, which begins with a time, is order enough.
    """

    key: Any
    at: Any = None


class _Place(NamedTuple):
    key: UUID
    at: datetime | None


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Some rows, the newest first, and the cursors that lead to what is beside them."""

    rows: Sequence[Row]
    newer: str | None = None
    older: str | None = None


def page_of(query: Query, order: Order, *, newer: str = "", older: str = "") -> Page[Any]:
    """Return the rows of a select that are at a place.

    :param newer: The cursor that the page ends before; `older` the one that it begins after. What
        is no cursor is left out: the page is then the one with the newest rows.
    """
    before = _place(newer, order)
    if before is None:
        return _page_from(query, order, _place(older, order))
    found = _read(query.where(_beyond(order, before, newer=True)), order, newest_first=False)
    if len(found) <= PAGE_SIZE:
        # All that are left in front fit on the page with the newest.
        return _page_from(query, order, None)
    rows = found[PAGE_SIZE - 1 :: -1]
    return Page(rows, newer=_cursor(rows[0], order), older=_cursor(rows[-1], order))


def _page_from(query: Query, order: Order, place: _Place | None) -> Page[Any]:
    """Return the newest rows that are older than a place, or the newest of all."""
    if place is not None:
        query = query.where(_beyond(order, place, newer=False))
    found = _read(query, order, newest_first=True)
    rows = found[:PAGE_SIZE]
    return Page(
        rows,
        newer=_cursor(rows[0], order) if place and rows else None,
        older=_cursor(rows[-1], order) if len(found) > PAGE_SIZE else None,
    )


def _read(query: Query, order: Order, *, newest_first: bool) -> Sequence[Any]:
    """Return one row more than fits on a page, to know whether there are more."""
    columns = [column for column in (order.at, order.key) if column is not None]
    ordered = [column.desc() if newest_first else column.asc() for column in columns]
    found: Sequence[Any] = (
        current().db.session.scalars(query.order_by(*ordered).limit(PAGE_SIZE + 1)).all()
    )
    return found


def _beyond(order: Order, place: _Place, *, newer: bool) -> ColumnElement[bool]:
    """Return what holds for rows on one side of a place; written so that an index serves."""
    key: ColumnElement[bool] = order.key > place.key if newer else order.key < place.key
    if order.at is None:
        return key
    if newer:
        return and_(order.at >= place.at, or_(order.at > place.at, key))
    return and_(order.at <= place.at, or_(order.at < place.at, key))


def _cursor(row: Any, order: Order) -> str:
    at = getattr(row, order.at.key) if order.at is not None else _EPOCH
    key: UUID = getattr(row, order.key.key)
    return f"{(at - _EPOCH) // _MICROSECOND}-{key.hex}"


def _place(cursor: str, order: Order) -> _Place | None:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        return None
    at = _EPOCH + int(found[1]) * _MICROSECOND if order.at is not None else None
    return _Place(UUID(found[2]), at)
