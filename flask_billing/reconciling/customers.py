"""Compares billing info with its customers, and finds customers whose billing info is missing."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select

from flask_billing import payment_methods, sync
from flask_billing.errors import GatewayRefusal
from flask_billing.gateways import Customer
from flask_billing.models import BillingInfo, SetupSession
from flask_billing.reconciling import methods
from flask_billing.reconciling.looks import Difference, refusal_code
from flask_billing.state import current

__all__ = ["differing", "fix", "is_removed", "not_written", "take_over"]


def differing(info_id: UUID, customer_id: str) -> Iterator[Difference]:
    """Yield how a customer and its payment methods differ from our rows; commits the session.

    :raises GatewayError: The processor did not answer.
    """
    try:
        if current().gateway.customer(customer_id).deleted:
            if not is_removed(info_id):
                yield Difference("customer", "deleted", info_id, customer_id)
            return
        yield from methods.differing(info_id, customer_id)
    except GatewayRefusal as error:
        yield Difference("customer", refusal_code(error), info_id, customer_id)


def is_removed(info_id: UUID) -> bool:
    """Return whether our row says that a customer is gone; commits the session."""
    session = current().db.session
    removed_at = session.scalar(select(BillingInfo.removed_at).where(BillingInfo.id == info_id))
    session.commit()
    return removed_at is not None


def fix(info_id: UUID, customer_id: str, difference: Difference) -> None:
    """Ask for the single object anew, and write what the processor says; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    if difference.kind == "customer":
        sync.customer(customer_id)
    else:
        methods.bring_up(info_id, customer_id, difference.stripe_id)


def not_written(customer: Customer) -> Iterator[Difference]:
    """Yield that a customer was made for a setup session of ours and no row of ours is of it."""
    row_id = _row_id(customer.local_id)
    if row_id is None:
        return
    session = current().db.session
    known = session.scalar(
        select(BillingInfo.id).where(BillingInfo.stripe_id == customer.stripe_id)
    )
    made_for = session.scalar(select(SetupSession.id).where(SetupSession.id == row_id))
    session.commit()
    if known is None and made_for is not None:
        yield Difference("customer", "not_written", row_id, customer.stripe_id)


def _row_id(local_id: str | None) -> UUID | None:
    try:
        return UUID(local_id or "")
    except ValueError:
        return None


def take_over(difference: Difference) -> None:
    """Finish the setup session that a customer was made for; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    session = current().db.session
    row = session.get_one(SetupSession, difference.id)
    # Where the session's own id was never written down, only its events or the person's return
    # bring it.
    if row.stripe_id is not None:
        payment_methods.finish(row, row.stripe_id)
