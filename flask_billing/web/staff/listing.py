"""Reads events for staff: a page of the list, and counts that cost the same for millions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, func, literal, select, union_all

from flask_billing import clock, projects
from flask_billing.models import BillingEvent
from flask_billing.state import current
from flask_billing.web.staff import keyset
from flask_billing.web.staff.filters import Filters
from flask_billing.web.staff.keyset import PAGE_SIZE, Order, Page, Query
from flask_billing.web.staff.situations import conditions, since_column

__all__ = ["COUNTED", "PAGE_SIZE", "Count", "Page", "counts", "find", "page_of"]

#: Where counting ends: nobody needs to know how many more there are.
COUNTED = 1000

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


def counts() -> dict[str, Count]:
    """Return how many events are in each state or stuck, in one statement."""
    parts = [_count(name, condition) for name, condition in conditions(clock.now()).items()]
    found = projects.connection().execute(union_all(*parts))
    return {name: Count(number, since) for name, number, since in found}


def page_of(filters: Filters, *, newer: str = "", older: str = "") -> Page[BillingEvent]:
    """Return the events that `filters` mean; `newer` and `older` are cursors."""
    query = select(BillingEvent).where(_of_this_mode(), *filters.conditions(clock.now()))
    order = Order(BillingEvent.id, BillingEvent.received_at)
    return keyset.page_of(query, order, newer=newer, older=older)


def find(event_id: str) -> BillingEvent | None:
    """Return an event by its id at the processor."""
    if not _EVENT_ID.fullmatch(event_id):
        return None
    query = select(BillingEvent).where(BillingEvent.stripe_id == event_id, _of_this_mode())
    event: BillingEvent | None = current().db.session.scalar(query)
    return event


def _of_this_mode() -> ColumnElement[bool]:
    return BillingEvent.livemode == current().settings.livemode


def _count(name: str, condition: ColumnElement[bool]) -> Query:
    some = (
        select(since_column(name).label("since"))
        .where(_of_this_mode(), condition)
        .limit(COUNTED + 1)
        .subquery()
    )
    return select(literal(name), func.count(), func.min(some.c.since)).select_from(some)
