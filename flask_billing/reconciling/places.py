"""Finds the rows to look at, in an order that can be gone on with after a break."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, func, select

from flask_billing import projects
from flask_billing.models import BillingInfo, SetupSession
from flask_billing.state import current

__all__ = ["Place", "count", "infos", "place_of", "rows_after", "sessions"]

_BATCH = 100


class Place(NamedTuple):
    """Where to go on.

    :ivar kind: `billing_info`, `customer` (a list of the processor's) or `setup_session`.
    :ivar after: The id of our row, or of the processor's customer.
    """

    kind: str
    after: Any


def place_of(text: str | None) -> Place:
    """Return the place that a text names; nothing is the very beginning.

    :raises ValueError: It names no place.
    """
    if text is None:
        return Place("billing_info", None)
    if text.startswith("cus_"):
        return Place("customer", text)
    if text.startswith("cs_"):
        return Place("setup_session", _session_id(text))
    try:
        return Place("billing_info", UUID(text))
    except ValueError:
        raise ValueError(f"{text!r} is no place to go on at.") from None


def _session_id(stripe_id: str) -> UUID:
    session = current().db.session
    found = session.scalar(select(SetupSession.id).where(SetupSession.stripe_id == stripe_id))
    session.commit()
    if found is None:
        raise ValueError(f"No setup session is known as {stripe_id!r}.")
    return UUID(str(found))


def infos(condition: ColumnElement[bool] | None = None) -> Any:
    """Return the query for living billing info of the key: our id and the customer's."""
    query: Any = select(BillingInfo.id, BillingInfo.stripe_id).where(
        BillingInfo.removed_at.is_(None), projects.of_current_key(current())
    )
    return query if condition is None else query.where(condition)


def sessions(condition: ColumnElement[bool] | None = None) -> Any:
    """Return the query for setup sessions that are open here: our id and the processor's."""
    query: Any = select(SetupSession.id, SetupSession.stripe_id).where(
        SetupSession.open_marker == 1, SetupSession.stripe_id.is_not(None)
    )
    return query if condition is None else query.where(condition)


def rows_after(query: Any, after: UUID | None) -> Iterator[tuple[UUID, str]]:
    """Yield ids in their order, a batch at a time; no transaction stays open between them."""
    session = current().db.session
    key = query.selected_columns[0]
    while True:
        batch = query.order_by(key).limit(_BATCH)
        if after is not None:
            batch = batch.where(key > after)
        found = [(row[0], row[1]) for row in session.execute(batch)]
        session.commit()
        if not found:
            return
        yield from found
        after = found[-1][0]


def count(query: Any, after: UUID | None) -> int:
    """Return how many rows there are to go through."""
    session = current().db.session
    if after is not None:
        query = query.where(query.selected_columns[0] > after)
    total: int = session.scalar(select(func.count()).select_from(query.subquery())) or 0
    session.commit()
    return total
