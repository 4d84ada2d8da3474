"""Compares the payment methods of one customer, by one list under one stamp."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flask_billing import clock, payment_methods, sync
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import PaymentMethod
from flask_billing.reconciling.looks import Difference
from flask_billing.state import current

__all__ = ["bring_up", "differing", "known_ids"]

_COLUMNS = (
    PaymentMethod.id,
    PaymentMethod.stripe_id,
    PaymentMethod.usable,
    PaymentMethod.stamp,
    PaymentMethod.leaving_at,
    PaymentMethod.removed_at,
    PaymentMethod.mandate_id,
)


def differing(info_id: UUID, customer_id: str) -> Iterator[Difference]:
    """Yield what differs; commits the session.

    What is leaving is the sweeper's. Rows are read last: one that somebody else has written since
    the stamp was taken tells more than the list, and is left out.

    :raises GatewayError: The processor refused or did not answer.
    """
    stamp = sync.take_stamp()
    listed = {m.stripe_id: m for m in current().gateway.payment_methods(customer_id)}
    rows = _rows(PaymentMethod.billing_info_id == info_id)
    for row in rows:
        code = _code(row, listed, stamp)
        if code is not None:
            yield Difference("payment_method", code, row.id, row.stripe_id)
    known = {row.stripe_id for row in rows}
    for stripe_id in listed:
        if stripe_id not in known:
            yield Difference("payment_method", "unknown", info_id, stripe_id)


def _rows(condition: Any) -> list[Any]:
    session = current().db.session
    rows = list(session.execute(select(*_COLUMNS).where(condition).order_by(PaymentMethod.id)))
    session.commit()
    return rows


def _code(row: Any, listed: Mapping[str, PaymentMethodDetails], stamp: int) -> str | None:
    details = listed.get(row.stripe_id)
    if row.stamp >= stamp:
        return None
    if row.removed_at is not None:
        return "removed_here" if details is not None else None
    if row.leaving_at is not None:
        return None
    if details is None:
        return "gone"
    if row.mandate_id is not None:
        return _code_with_mandate(row.stripe_id)
    return _usability(row.usable, is_good=not details.is_expired(clock.now()))


def _code_with_mandate(stripe_id: str) -> str | None:
    """Compare a method that hangs on a mandate too, which no list tells."""
    answer = sync.ask(stripe_id)
    [row] = _rows(PaymentMethod.stripe_id == stripe_id)
    if row.stamp >= answer.stamp or row.removed_at is not None:
        return None
    if answer.details is None or answer.known is None:
        return "gone"
    if answer.details.customer_id != answer.known.customer_id:
        return "gone"
    return _usability(row.usable, is_good=answer.usable)


def _usability(was_good: bool, *, is_good: bool) -> str | None:
    if was_good == is_good:
        return None
    return "usable" if is_good else "unusable"


def bring_up(info_id: UUID, customer_id: str, stripe_id: str) -> None:
    """Ask for one payment method anew, and write it, or take it over; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    answer = sync.payment_method(stripe_id)
    details = answer.details
    if answer.known is None and details is not None and details.customer_id == customer_id:
        payment_methods.adopt(info_id, answer)


def known_ids(info_id: UUID) -> list[str]:
    """Return the processor's ids of the payment methods that are in the order here."""
    rows = _rows(PaymentMethod.billing_info_id == info_id)
    return [row.stripe_id for row in rows if row.leaving_at is None and row.removed_at is None]
