"""What we do ourselves when the processor tells of a change: fetch the object and write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar
from uuid import UUID

from sqlalchemy import ColumnElement, select

from flask_billing import payment_methods, sync
from flask_billing.errors import BillingError, GatewayRefusal
from flask_billing.gateways import Customer, Gateway, RemoteSetupSession
from flask_billing.models import BillingInfo, PaymentMethod, SetupSession
from flask_billing.state import current

__all__ = ["BUILT_IN", "NotYet", "is_ours"]

T = TypeVar("T")

#: Takes the ids of object and customer; says whether the object is ours.
_BuiltIn = Callable[[str, str | None], bool]


class NotYet(BillingError):
    """Something that the event builds on is not known yet; it will be, so try again."""


def is_ours(customer_id: str | None) -> bool:
    """Return whether an object may be ours, as far as its customer tells.

    :raises NotYet: The customer is ours, and not written down yet.
    """
    if customer_id is None or _billing_info_id(customer_id) is not None:
        return True
    return _is_to_come(customer_id)


def _setup_session(session_id: str, customer_id: str | None) -> bool:
    row = _session_row(SetupSession.stripe_id == session_id)
    if row is None:
        row = _session_of(_local_id(lambda gateway: gateway.setup_session(session_id)))
    if row is None:
        return False
    return _finish(row, session_id)


def _local_id(
    fetch: Callable[[Gateway], Customer | RemoteSetupSession],
) -> str | None:
    """Return the id of our row that something was made for; `None` if it is unknown there."""
    try:
        return fetch(current().gateway).local_id
    except GatewayRefusal as error:
        if error.code == "resource_missing":
            return None
        raise


def _setup_intent(intent_id: str, customer_id: str | None) -> bool:
    row = _session_of(current().gateway.setup_intent_local_id(intent_id))
    if row is None:
        return False
    if row.stripe_id is None:
        raise NotYet("The session that this belongs to has not been written down yet.")
    return _finish(row, row.stripe_id)


def _finish(row: SetupSession, session_id: str) -> bool:
    """Take over what was saved, and look once more at what was written.

    Whatever changed before our rows were there was told to nobody: only what is asked for after
    they were committed is sure to be the newest.

    :returns: Whether this key may know the session.
    """
    completion = _of_this_account(lambda: payment_methods.finish(row, session_id))
    if completion is None:
        return False
    method = completion.payment_method
    if method is not None and method.removed_at is None:
        stripe_id, customer_id = method.stripe_id, method.billing_info.stripe_id
        sync.payment_method(stripe_id)
        sync.customer(customer_id)
        _adopt_others(customer_id)
    return True


def _adopt_others(customer_id: str) -> None:
    """Take over what was saved beside our pages before we knew the customer."""
    # A receiver of a signal may have looked at rows.
    current().db.session.commit()
    try:
        saved = current().gateway.payment_methods(customer_id)
    except GatewayRefusal as error:
        if error.code == "resource_missing":
            return  # deleted by now
        raise
    for details in saved:
        if not _is_known(details.stripe_id):
            _payment_method(details.stripe_id, customer_id)


def _payment_method(method_id: str, customer_id: str | None) -> bool:
    answer = _of_this_account(lambda: sync.payment_method(method_id))
    if answer is None:
        return False
    if answer.known is not None:
        return True
    if answer.details is None or answer.details.customer_id is None:
        # Gone before we ever knew it.
        return customer_id is not None and _billing_info_id(customer_id) is not None
    return _attached(answer.details.customer_id, answer)


def _attached(customer_id: str, answer: sync.Answer) -> bool:
    """Take over a method that somebody saved beside our pages, if its customer is ours."""
    info_id = _billing_info_id(customer_id)
    if info_id is not None:
        payment_methods.adopt(info_id, answer)
        return True
    return _is_to_come(customer_id)


def _is_to_come(customer_id: str) -> bool:
    """Return `False` for a customer that is not ours.

    :raises NotYet: It is: its metadata names a stay on the processor's page that we started.
    """
    row = _session_of(_local_id(lambda gateway: gateway.customer(customer_id)))
    if row is None or row.state == "expired":
        return False
    raise NotYet("The customer that this belongs to has not been written down yet.")


def _mandate(mandate_id: str, customer_id: str | None) -> bool:
    mandate = current().gateway.mandate(mandate_id)
    if mandate is None or mandate.payment_method_id is None:
        return False
    method_id = mandate.payment_method_id
    if not _is_known(method_id) and not _payment_method(method_id, customer_id):
        return False
    sync.learn_mandate(mandate)
    sync.payment_method(method_id)
    return True


def _is_known(method_id: str) -> bool:
    session = current().db.session
    query = select(PaymentMethod.id).where(PaymentMethod.stripe_id == method_id)
    known = session.scalar(query) is not None
    session.commit()
    return known


def _customer(object_id: str, customer_id: str | None) -> bool:
    known = _of_this_account(lambda: sync.customer(object_id))
    if known is None:
        return False
    return known or _is_to_come(object_id)


def _of_this_account(ask: Callable[[], T]) -> T | None:
    """Return what the processor says; `None` where this key may not know the customer.

    The row is another account's then, from before the key was changed.
    """
    try:
        return ask()
    except GatewayRefusal as error:
        if error.code == "resource_missing":
            return None
        raise


def _tax_id(object_id: str, customer_id: str | None) -> bool:
    """Keep nothing: tax ids are read at the processor when somebody looks. Handlers are told."""
    return customer_id is not None and is_ours(customer_id)


#: Event types and what is done about each.
BUILT_IN: Mapping[str, _BuiltIn] = {
    "checkout.session.completed": _setup_session,
    "checkout.session.expired": _setup_session,
    "customer.deleted": _customer,
    "customer.tax_id.created": _tax_id,
    "customer.tax_id.deleted": _tax_id,
    "customer.tax_id.updated": _tax_id,
    "customer.updated": _customer,
    "mandate.updated": _mandate,
    "payment_method.attached": _payment_method,
    "payment_method.automatically_updated": _payment_method,
    "payment_method.detached": _payment_method,
    "payment_method.updated": _payment_method,
    "setup_intent.setup_failed": _setup_intent,
    "setup_intent.succeeded": _setup_intent,
}


def _billing_info_id(customer_id: str) -> UUID | None:
    session = current().db.session
    query = select(BillingInfo.id).where(BillingInfo.stripe_id == customer_id)
    found: UUID | None = session.scalar(query)
    session.commit()
    return found


def _session_of(local_id: str | None) -> SetupSession | None:
    """Return the row that something at the processor was made for, if it is one of ours."""
    try:
        row_id = UUID(local_id or "")
    except ValueError:
        return None
    return _session_row(SetupSession.id == row_id)


def _session_row(condition: ColumnElement[bool]) -> SetupSession | None:
    session = current().db.session
    row = session.scalars(select(SetupSession).where(condition).limit(1)).first()
    session.commit()
    return row
