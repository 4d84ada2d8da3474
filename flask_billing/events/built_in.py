"""What we do ourselves when the processor tells of a change: fetch the object and write it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from sqlalchemy import select

from flask_billing import customers, payment_methods, sync
from flask_billing.errors import GatewayRefusal
from flask_billing.events.money import MONEY
from flask_billing.events.owning import (
    NotYet,
    billing_info_id,
    is_ours,
    is_to_come,
    local_id,
    session_of,
    session_row,
)
from flask_billing.models import PaymentMethod, SetupSession
from flask_billing.state import current

__all__ = ["BUILT_IN"]

T = TypeVar("T")

#: Takes the ids of object and customer; says whether the object is ours.
_BuiltIn = Callable[[str, str | None], bool]


def _setup_session(session_id: str, customer_id: str | None) -> bool:
    row = session_row(SetupSession.stripe_id == session_id)
    if row is None:
        row = session_of(local_id(lambda gateway: gateway.setup_session(session_id)))
    if row is None:
        return False
    return _finish(row, session_id)


def _setup_intent(intent_id: str, customer_id: str | None) -> bool:
    row = session_of(current().gateway.setup_intent_local_id(intent_id))
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
        return customer_id is not None and billing_info_id(customer_id) is not None
    return _attached(answer.details.customer_id, answer)


def _renewed(method_id: str, customer_id: str | None) -> bool:
    ours = _payment_method(method_id, customer_id)
    if ours:
        payment_methods.renew(method_id)
    return ours


def _attached(customer_id: str, answer: sync.Answer) -> bool:
    """Take over a method that somebody saved beside our pages, if its customer is ours."""
    info_id = billing_info_id(customer_id)
    if info_id is not None:
        payment_methods.adopt(info_id, answer)
        return True
    return is_to_come(customer_id)


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
    if known:
        customers.wake(object_id)
    return known or is_to_come(object_id)


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
    **MONEY,
    "checkout.session.completed": _setup_session,
    "checkout.session.expired": _setup_session,
    "customer.deleted": _customer,
    "customer.tax_id.created": _tax_id,
    "customer.tax_id.deleted": _tax_id,
    "customer.tax_id.updated": _tax_id,
    "customer.updated": _customer,
    "mandate.updated": _mandate,
    "payment_method.attached": _payment_method,
    "payment_method.automatically_updated": _renewed,
    "payment_method.detached": _payment_method,
    "payment_method.updated": _renewed,
    "setup_intent.setup_failed": _setup_intent,
    "setup_intent.succeeded": _setup_intent,
}
