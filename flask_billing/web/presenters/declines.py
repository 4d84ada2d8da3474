"""Tells which payment methods did not pay when they were charged last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select

from flask_billing import projects
from flask_billing.models import PaymentAttempt, table_of

__all__ = ["declined_last"]

#: What a bank has answered; of the other tries nobody knows, or nothing came.
_ANSWERED = ("declined", "needs_action", "processing", "succeeded")


def declined_last(method_ids: Sequence[UUID]) -> Mapping[UUID, datetime]:
    """Return when methods were charged last, of those that were declined then; one statement."""
    if not method_ids:
        return {}
    attempt = table_of(PaymentAttempt).c
    query = (
        select(attempt.payment_method_id, attempt.state, func.max(attempt.created_at).label("at"))
        .where(attempt.payment_method_id.in_(method_ids), attempt.state.in_(_ANSWERED))
        .group_by(attempt.payment_method_id, attempt.state)
        .order_by(func.max(attempt.created_at))
    )
    # The latest of a method comes last.
    last = {row.payment_method_id: row for row in projects.connection().execute(query)}
    return {method_id: row.at for method_id, row in last.items() if row.state == "declined"}
