"""Notes that a payment method was renewed, so that it may be tried again at once."""

from __future__ import annotations

from sqlalchemy import exists, select, update

from flask_billing import clock, projects, waking
from flask_billing.models import InvoiceCollection, PaymentMethod
from flask_billing.state import current

__all__ = ["renew"]


def renew(stripe_id: str) -> None:
    """Have what waits for a payment method looked at, as its expiry or number may be new.

    Commits the session. Neither is kept, so the processor's word that it changed has to do.
    """
    session = current().db.session
    mine = (PaymentMethod.stripe_id == stripe_id, PaymentMethod.is_usable)
    waiting = exists().where(
        InvoiceCollection.billing_info_id == PaymentMethod.billing_info_id,
        InvoiceCollection.state.in_(["waiting", "processing", "past_due"]),
    )
    info_id = session.scalar(select(PaymentMethod.billing_info_id).where(*mine, waiting))
    if info_id is not None:
        connection = projects.connection()
        connection.execute(update(PaymentMethod).where(*mine).values(changed_at=clock.now()))
        waking.wake(connection, info_id)
    session.commit()
