"""Reads events for staff: a page of the list, and counts that cost the same for millions."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, func, literal, or_, select, union_all

from flask_billing import clock, projects
from flask_billing.models import BillingEvent
from flask_billing.state import current
from flask_billing.web.staff.filters import Filters
from flask_billing.web.staff.situations import conditions, since_column

__all__ = ["COUNTED", "PAGE_SIZE", "Count", "Page", "counts", "find", "page_of"]

PAGE_SIZE = 50
#: Where counting ends: nobody needs to know how many more there are.
COUNTED = 1000

# How a select is typed differs between the releases of SQLAlchemy.
_Query = Any

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9]{1,16})-([0-9a-f]{32})")
_EVENT_ID = re.compile(r"[A-Za-z0-9_]{1,255}")


class Count(NamedTuple):
    """How many events are in a state, and since when.

    :ivar number: Up to `COUNTED`; one more where there are more.
    :ivar since: Of the oldest one that was counted.
    """

    number: int
    since: datetime | None

    @property
    def is_cut(self) -> bool:
        """Whether there are more than were counted."""
        return self.number > COUNTED


@dataclass(frozen=True)
class Page:
    """Some events, the newest first, and the cursors that lead to what is beside them."""

    events: Sequence[BillingEvent]
    newer: str | None = None
    older: str | None = None


def counts() -> dict[str, Count]:
    """Return how many events are in each state or stuck, in one statement."""
    parts = [_count(name, condition) for name, condition in conditions(clock.now()).items()]
    found = projects.connection().execute(union_all(*parts))
    return {name: Count(number, since) for name, number, since in found}


def page_of(filters: Filters, *, newer: str = "", older: str = "") -> Page:
    """Return the events that `filters` mean.

    :param newer: The cursor that the page ends before; `older` the one that it begins after. What
        is no cursor is left out: the page is then the one with the newest events.
    """
    query = select(BillingEvent).where(_of_this_mode(), *filters.conditions(clock.now()))
    before = _position(newer)
    if before is None:
        return _page_from(query, _position(older))
    found = _read(query.where(_beyond(*before, newer=True)), newest_first=False)
    if len(found) <= PAGE_SIZE:
        # All that are left in front fit on the page with the newest.
        return _page_from(query, None)
    events = found[PAGE_SIZE - 1 :: -1]
    return Page(events, newer=_cursor(events[0]), older=_cursor(events[-1]))


def find(event_id: str) -> BillingEvent | None:
    """Return an event by its id at the processor."""
    if not _EVENT_ID.fullmatch(event_id):
        return None
    query = select(BillingEvent).where(BillingEvent.stripe_id == event_id, _of_this_mode())
    event: BillingEvent | None = current().db.session.scalar(query)
    return event


def _of_this_mode() -> ColumnElement[bool]:
    return BillingEvent.livemode == current().settings.livemode


def _count(name: str, condition: ColumnElement[bool]) -> _Query:
    some = (
        select(since_column(name).label("since"))
        .where(_of_this_mode(), condition)
        .limit(COUNTED + 1)
        .subquery()
    )
    return select(literal(name), func.count(), func.min(some.c.since)).select_from(some)


def _page_from(query: _Query, position: tuple[datetime, UUID] | None) -> Page:
    """Return the newest events that are older than a position, or the newest of all."""
    if position is not None:
        query = query.where(_beyond(*position, newer=False))
    found = _read(query, newest_first=True)
    events = found[:PAGE_SIZE]
    return Page(
        events,
        newer=_cursor(events[0]) if position and events else None,
        older=_cursor(events[-1]) if len(found) > PAGE_SIZE else None,
    )


def _read(query: _Query, *, newest_first: bool) -> Sequence[BillingEvent]:
    """Return one event more than fit on a page, to know whether there are more."""
    columns = (BillingEvent.received_at, BillingEvent.id)
    order = [column.desc() if newest_first else column.asc() for column in columns]
    found: Sequence[BillingEvent] = (
        current().db.session.scalars(query.order_by(*order).limit(PAGE_SIZE + 1)).all()
    )
    return found


def _beyond(received_at: datetime, event_id: UUID, *, newer: bool) -> ColumnElement[bool]:
    """Return what holds for events on one side of a position; written so that an index serves."""
    at, key = BillingEvent.received_at, BillingEvent.id
    if newer:
        return and_(at >= received_at, or_(at > received_at, key > event_id))
    return and_(at <= received_at, or_(at < received_at, key < event_id))


def _cursor(event: BillingEvent) -> str:
    return f"{(event.received_at - _EPOCH) // _MICROSECOND}-{event.id.hex}"


def _position(cursor: str) -> tuple[datetime, UUID] | None:
    found = _CURSOR.fullmatch(cursor)
    if found is None:
        return None
    return _EPOCH + int(found[1]) * _MICROSECOND, UUID(found[2])
