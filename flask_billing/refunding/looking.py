"""Shows what was given back, and what of it needs somebody."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import and_, func, or_, select

from flask_billing import clock
from flask_billing.collecting import Stuck
from flask_billing.models import Invoice, InvoiceCollection, InvoiceRefund
from flask_billing.state import current

__all__ = ["refunds_of", "stuck"]

#: An outcome is found out long before; after that somebody has to look.
_UNKNOWN_FOR = timedelta(hours=1)
#: A bank has the money for ten working days at most.
_PENDING_FOR = timedelta(days=14)
#: For how long a refund that failed is shown.
_FAILED_FOR = timedelta(days=30)
_HINTS = {
    "sending": "See that 'flask billing run' is always at work; it finds out what became of it.",
    "pending": "Look at it in Stripe's dashboard.",
    "failed": "Give the money back another way: the bank did not take it.",
}


def refunds_of(invoice_id: UUID) -> Sequence[InvoiceRefund]:
    """Return what was given back of an invoice, or tried to, the first one first."""
    query = (
        select(InvoiceRefund)
        .where(InvoiceRefund.invoice_id == invoice_id)
        .order_by(InvoiceRefund.created_at, InvoiceRefund.id)
    )
    return list(current().db.session.scalars(query))


def stuck(limit: int | None = 50) -> list[Stuck]:
    """Return the refunds that failed lately, or that nobody knows the outcome of for too long.

    :param limit: How many at most; `None` for all of them.
    """
    state, now, made = current(), clock.now(), InvoiceRefund
    query = (
        select(InvoiceRefund, Invoice.project_key, func.count().over())
        .join(Invoice, Invoice.id == InvoiceRefund.invoice_id)
        .join(InvoiceCollection, InvoiceCollection.invoice_id == InvoiceRefund.invoice_id)
        .where(
            InvoiceCollection.livemode == state.settings.livemode,
            or_(
                and_(made.state == "sending", made.created_at < now - _UNKNOWN_FOR),
                and_(made.state == "pending", made.created_at < now - _PENDING_FOR),
                and_(made.state == "failed", made.ended_at > now - _FAILED_FOR),
            ),
        )
        .order_by(func.coalesce(made.ended_at, made.created_at), made.id)
        .limit(limit)
    )
    found = [_stuck(*row) for row in state.db.session.execute(query)]
    state.db.session.commit()
    return found


def _stuck(row: InvoiceRefund, project_key: str, alike: int) -> Stuck:
    return Stuck(
        kind="refund",
        id=row.id,
        invoice_id=row.invoice_id,
        project_key=project_key,
        state=row.state,
        since=row.ended_at or row.created_at,
        hint=_HINTS[row.state],
        alike=alike,
    )
