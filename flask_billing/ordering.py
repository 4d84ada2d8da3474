"""Keeps the payment methods of a billing info in their order: 0, 1, 2, without a gap."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import func, inspect, select, update
from sqlalchemy.orm import Session, scoped_session

from flask_billing.models import PaymentMethod

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["arrange", "place_new", "present"]


def present(session: Session | scoped_session[Any], billing_info_id: UUID) -> list[PaymentMethod]:
    """Return the payment methods that have a place in the order, as the database has them now."""
    query = (
        select(PaymentMethod)
        .where(
            PaymentMethod.billing_info_id == billing_info_id,
            PaymentMethod.leaving_at.is_(None),
            PaymentMethod.removed_at.is_(None),
        )
        .order_by(PaymentMethod.position.is_(None), PaymentMethod.position, PaymentMethod.id)
        .execution_options(populate_existing=True)
    )
    return list(session.scalars(query))


def arrange(session: Session | scoped_session[Any], methods: Sequence[PaymentMethod]) -> None:
    """Give `methods` the positions 0, 1, 2 … in their sequence.

    Positions that change go through null: no database swaps two unique values in one statement.
    """
    moved = [(place, m) for place, m in enumerate(methods) if m.position != place]
    if not moved:
        return
    session.execute(
        update(PaymentMethod)
        .where(PaymentMethod.id.in_([method.id for _, method in moved]))
        .values(position=None),
        execution_options={"synchronize_session": False},
    )
    for place, method in moved:
        session.execute(
            update(PaymentMethod).where(PaymentMethod.id == method.id).values(position=place),
            execution_options={"synchronize_session": False},
        )
        session.expire(method, ["position"])


def place_new(session: Session, *_: Any) -> None:
    """Give rows that were built by hand the next position, before they are flushed."""
    waiting: dict[Any, list[PaymentMethod]] = defaultdict(list)
    for row in session.new:
        if isinstance(row, PaymentMethod) and _wants_place(row):
            info: Any = row.billing_info
            waiting[row.billing_info_id if info is None else info].append(row)
    for info, methods in waiting.items():
        first = _next_position(session, info)
        for place, method in enumerate(sorted(methods, key=_made), start=first):
            method.position = place


def _wants_place(row: PaymentMethod) -> bool:
    return row.position is None and row.leaving_at is None and row.removed_at is None


def _made(row: PaymentMethod) -> int:
    return inspect(row).insert_order or 0


def _next_position(session: Session, info: Any) -> int:
    info_id = info if isinstance(info, UUID) else getattr(info, "id", None)
    if info_id is None:
        return 0
    taken = select(func.coalesce(func.max(PaymentMethod.position) + 1, 0)).where(
        PaymentMethod.billing_info_id == info_id
    )
    return session.scalar(taken) or 0
