"""The single way from the processor's state into our rows.

A stamp is taken from the database before the processor is asked; what it answers is written only
where the row's own stamp is older. Whatever overlaps or arrives late, the newest answer stays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects
from flask_billing.errors import GatewayError
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import BillingInfo, GatewayAccount, PaymentMethod, SyncStamp
from flask_billing.ordering import arrange, present
from flask_billing.state import State, current
from flask_billing.transactions import begin

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["account_id", "customer", "payment_method", "take_stamp", "write_removal"]


def take_stamp() -> int:
    """Return the next stamp; commits the session, so that every later stamp is higher."""
    session = current().db.session
    while True:
        counted = update(SyncStamp).where(SyncStamp.id == 1).values(last=SyncStamp.last + 1)
        if projects.connection().execute(counted).rowcount:
            stamp: int = session.scalars(select(SyncStamp.last).where(SyncStamp.id == 1)).one()
            session.commit()
            return stamp
        try:
            session.execute(insert(SyncStamp).values(id=1, last=0))
            session.commit()
        except IntegrityError:
            session.rollback()


def account_id() -> str | None:
    """Return the account that the key belongs to, asked once for each key; commits the session.

    :returns: `None` where the key has no right to know (a restricted one).
    :raises GatewayError: The processor did not answer, or not to this key.
    """
    state = current()
    known = state.db.session.get(GatewayAccount, state.settings.key_digest)
    state.db.session.commit()
    return known.account_id if known is not None else _learn_account(state)


def _learn_account(state: State) -> str | None:
    try:
        found = state.gateway.account_id()
    except GatewayError as error:
        if error.code == "permission_denied":
            return None
        raise
    digest = state.settings.key_digest
    try:
        state.db.session.add(GatewayAccount(key_digest=digest, account_id=found))
        state.db.session.commit()
    except IntegrityError:
        state.db.session.rollback()
    return found


def payment_method(method: PaymentMethod) -> None:
    """Bring a row up to what the processor says of the payment method; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    stripe_id = method.stripe_id
    stamp = take_stamp()
    write_payment_method(method, current().gateway.payment_method(stripe_id), stamp)


def write_payment_method(
    method: PaymentMethod, details: PaymentMethodDetails | None, stamp: int
) -> None:
    """Write what the processor said of a payment method; commits the session.

    :param details: `None` where the processor knows no such method.
    :param stamp: Taken before the processor was asked.
    """
    if details is None or details.customer_id != method.billing_info.stripe_id:
        # One that left its customer can never be charged again.
        write_removal(method, stamp)
        return
    _write(method.id, stamp, usable=not details.is_expired(clock.now()))
    current().db.session.commit()


def customer(info: BillingInfo) -> None:
    """Bring a row up to what the processor says of the customer; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    stripe_id = info.stripe_id
    current().db.session.commit()
    if current().gateway.customer(stripe_id).deleted:
        write_customer_removal(info)


def write_customer_removal(info: BillingInfo) -> None:
    """Write that a customer was deleted at the processor; commits the session.

    The rows stay and say so, its payment methods' too. No stamp is compared: nothing that the
    processor answers afterwards can be different.
    """
    session = current().db.session
    info_id = info.id
    stamp = take_stamp()
    begin(info_id)
    gone = {"stamp": stamp, "removed_at": clock.now()}
    projects.connection().execute(
        update(BillingInfo)
        .where(BillingInfo.id == info_id, BillingInfo.removed_at.is_(None))
        .values(gone)
    )
    projects.connection().execute(
        update(PaymentMethod)
        .where(PaymentMethod.billing_info_id == info_id, PaymentMethod.removed_at.is_(None))
        .values(gone | {"position": None, "usable": False})
    )
    session.commit()


def write_removal(method: PaymentMethod, stamp: int) -> bool:
    """Write that a payment method is gone at the processor; commits the session.

    The row stays, so that an answer that comes late cannot bring the method back.

    :returns: Whether this very call wrote it; a newer stamp refuses.
    """
    session = current().db.session
    method_id, info_id = method.id, method.billing_info_id
    begin(info_id)
    written = _write(method_id, stamp, removed_at=clock.now(), position=None, usable=False)
    arrange(session, present(session, info_id))
    session.commit()
    return written


def _write(method_id: UUID, stamp: int, **values: Any) -> bool:
    written = projects.connection().execute(
        update(PaymentMethod)
        .where(
            PaymentMethod.id == method_id,
            PaymentMethod.stamp < stamp,
            PaymentMethod.removed_at.is_(None),
        )
        .values(stamp=stamp, **values)
    )
    return bool(written.rowcount)
