"""Takes over payment methods that were saved beside our pages, such as on the processor's own."""

from __future__ import annotations

from uuid import UUID

from flask import current_app
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from flask_billing import projects, signals, sync, waking
from flask_billing.models import BillingInfo, PaymentMethod
from flask_billing.ordering import arrange, present
from flask_billing.payment_methods.checks import CHECKING, first_refusal, place_hold
from flask_billing.state import current
from flask_billing.transactions import begin

__all__ = ["adopt"]


def adopt(info_id: UUID, answer: sync.Answer) -> None:
    """Write down a payment method that we did not know, as the last in the order.

    Commits the session. The same rules refuse it as if it had been saved on our pages.

    :param info_id: Whose it is; the customer that the processor named.
    :param answer: What the processor said of it; it has details, and a customer.
    :raises GatewayError: The processor refused or did not answer; try again.
    """
    details = answer.details
    if details is None:
        raise ValueError("There is nothing to adopt.")
    refusal = first_refusal(details)
    method = _insert(info_id, answer, refusal)
    if method is not None:
        try:
            place_hold(method)
        finally:
            _tell(method)
    # What changed before the row was there was told to nobody.
    sync.payment_method(details.stripe_id)


def _tell(method: PaymentMethod) -> None:
    refused = method.refusal not in {None, CHECKING}
    told = signals.payment_method_refused if refused else signals.payment_method_added
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    told.send(app, billing_info=method.billing_info, payment_method=method)


def _insert(info_id: UUID, answer: sync.Answer, refusal: str | None) -> PaymentMethod | None:
    """Insert the row; `None` where somebody else was faster, or the customer is gone."""
    session = current().db.session
    stripe_id = answer.details.stripe_id if answer.details is not None else ""
    begin(info_id)
    info = session.get_one(BillingInfo, info_id, populate_existing=True)
    known = session.scalar(select(PaymentMethod.id).where(PaymentMethod.stripe_id == stripe_id))
    if known is not None or info.removed_at is not None:
        session.commit()
        return None
    method = PaymentMethod(
        stripe_id=stripe_id,
        billing_info_id=info_id,
        usable=answer.usable,
        refusal=refusal,
        stamp=answer.stamp,
    )
    others = present(session, info_id)
    try:
        session.add(method)
        session.flush()
        arrange(session, [*others, method])
        waking.wake(projects.connection(), info_id)
        session.commit()
    except IntegrityError:
        session.rollback()
        return None
    return method
