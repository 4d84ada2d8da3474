"""Tells what is ours from what belongs to others of the same account at the processor."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import ColumnElement, select

from flask_billing.errors import BillingError, GatewayRefusal
from flask_billing.gateways import Customer, Gateway, RemoteSetupSession
from flask_billing.models import BillingInfo, SetupSession
from flask_billing.state import current

__all__ = [
    "NotYet",
    "billing_info_id",
    "is_ours",
    "is_to_come",
    "local_id",
    "session_of",
    "session_row",
]


class NotYet(BillingError):
    """Something that the event builds on is not known yet; it will be, so try again."""


def is_ours(customer_id: str | None) -> bool:
    """Return whether an object may be ours, as far as its customer tells.

    :raises NotYet: The customer is ours, and not written down yet.
    """
    if customer_id is None or billing_info_id(customer_id) is not None:
        return True
    return is_to_come(customer_id)


def is_to_come(customer_id: str) -> bool:
    """Return `False` for a customer that is not ours.

    :raises NotYet: It is: its metadata names a stay on the processor's page that we started.
    """
    row = session_of(local_id(lambda gateway: gateway.customer(customer_id)))
    if row is None or row.state == "expired":
        return False
    raise NotYet("The customer that this belongs to has not been written down yet.")


def local_id(
    fetch: Callable[[Gateway], Customer | RemoteSetupSession],
) -> str | None:
    """Return the id of our row that something was made for; `None` if it is unknown there."""
    try:
        return fetch(current().gateway).local_id
    except GatewayRefusal as error:
        if error.code == "resource_missing":
            return None
        raise


def billing_info_id(customer_id: str) -> UUID | None:
    """Return the id of our row for a customer, if there is one; commits the session."""
    session = current().db.session
    query = select(BillingInfo.id).where(BillingInfo.stripe_id == customer_id)
    found: UUID | None = session.scalar(query)
    session.commit()
    return found


def session_of(local_id: str | None) -> SetupSession | None:
    """Return the row that something at the processor was made for, if it is one of ours."""
    try:
        row_id = UUID(local_id or "")
    except ValueError:
        return None
    return session_row(SetupSession.id == row_id)


def session_row(condition: ColumnElement[bool]) -> SetupSession | None:
    """Return the row of a stay on the processor's page; commits the session."""
    session = current().db.session
    row = session.scalars(select(SetupSession).where(condition).limit(1)).first()
    session.commit()
    return row
