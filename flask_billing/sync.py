"""The single way from the processor's state into our rows.

A stamp is taken from the database before the processor is asked; what it answers is written only
where the row's own stamp is older. Whatever overlaps or arrives late, the newest answer stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flask import current_app
from sqlalchemy import Update, and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects, signals, waking
from flask_billing.errors import GatewayError
from flask_billing.gateways import Mandate, PaymentMethodDetails
from flask_billing.models import BillingInfo, GatewayAccount, PaymentMethod, SyncStamp, table_of
from flask_billing.ordering import arrange, present
from flask_billing.state import State, current
from flask_billing.transactions import begin, fresh_connection

if TYPE_CHECKING:
    from uuid import UUID

__all__ = [
    "Answer",
    "account_id",
    "ask",
    "customer",
    "learn_mandate",
    "payment_method",
    "take_stamp",
    "write",
    "write_customer_removal",
    "write_payment_method",
    "write_removal",
]


class _Known(NamedTuple):
    """What we know of a payment method before the processor is asked."""

    id: UUID
    billing_info_id: UUID
    customer_id: str
    mandate_id: str | None
    usable: bool | None


@dataclass(frozen=True)
class Answer:
    """What the processor said of a payment method.

    :ivar stamp: Taken before it was asked.
    :ivar known: `None` where no row of ours is of this payment method.
    :ivar details: `None` where the processor knows no such method.
    :ivar usable: Whether it could be charged.
    """

    stamp: int
    known: _Known | None
    details: PaymentMethodDetails | None
    usable: bool = False


def take_stamp() -> int:
    """Return the next stamp; commits the session, so that every later stamp is higher."""
    session = current().db.session
    while True:
        stamp = _count()
        session.commit()
        if stamp is not None:
            return stamp
        try:
            session.execute(insert(SyncStamp).values(id=1, last=0))
            session.commit()
        except IntegrityError:
            session.rollback()


def _count() -> int | None:
    connection = fresh_connection(one_write=True)
    counted = _counting()
    # MariaDB's UPDATE gives nothing back; until the commit nobody else can count.
    stamp: int | None
    if connection.dialect.name in {"postgresql", "sqlite"}:
        stamp = connection.scalar(counted.returning(SyncStamp.last))
    else:
        connection.execute(counted)
        stamp = connection.scalar(select(SyncStamp.last).where(SyncStamp.id == 1))
    return stamp


@cache
def _counting() -> Update:
    row = table_of(SyncStamp)
    return update(row).where(row.c.id == 1).values(last=row.c.last + 1)


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


def payment_method(stripe_id: str) -> Answer:
    """Bring the row of a payment method, if there is one, up to what the processor says.

    Commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    answer = ask(stripe_id)
    if answer.known is not None:
        write(answer)
    return answer


def ask(stripe_id: str) -> Answer:
    """Ask the processor for a payment method, under a new stamp; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    state = current()
    stamp = take_stamp()
    # Only now: a mandate that somebody learned of before an older stamp has to be asked for too.
    query = (
        select(
            PaymentMethod.id,
            PaymentMethod.billing_info_id,
            BillingInfo.stripe_id,
            PaymentMethod.mandate_id,
            PaymentMethod.usable,
        )
        .join(BillingInfo, BillingInfo.id == PaymentMethod.billing_info_id)
        .where(PaymentMethod.stripe_id == stripe_id)
    )
    row = state.db.session.execute(query).one_or_none()
    state.db.session.commit()
    known = _Known(*row) if row is not None else None
    details = state.gateway.payment_method(stripe_id)
    if details is None and known is not None:
        # To the key of another account everything is missing; this tells it from what is gone.
        state.gateway.customer(known.customer_id)
    usable = details is not None and not details.is_expired(clock.now())
    if usable and known is not None and known.mandate_id is not None:
        mandate = state.gateway.mandate(known.mandate_id)
        usable = mandate is not None and mandate.active
    return Answer(stamp, known, details, usable)


def write(answer: Answer) -> bool:
    """Write what the processor said of a payment method that we know; commits the session.

    One that can be charged again has what waits for it looked at.

    :returns: Whether it was written; a newer stamp refuses, and what is gone stays gone.
    """
    if answer.known is None:
        raise ValueError("No row is of this payment method.")
    method_id, info_id, customer_id, _, was_usable = answer.known
    if answer.details is None or answer.details.customer_id != customer_id:
        # One that left its customer can never be charged again.
        return write_removal(method_id, info_id, answer.stamp)
    is_renewed = answer.usable and not was_usable and _renew(method_id, answer.stamp)
    written = _write(method_id, answer.stamp, usable=answer.usable)
    if is_renewed:
        waking.wake(projects.connection(), info_id)
    current().db.session.commit()
    return written


def _renew(method_id: UUID, stamp: int) -> bool:
    """Note that a method which could not be charged can be; returns whether it was so."""
    renewed = projects.connection().execute(
        update(PaymentMethod)
        .where(
            PaymentMethod.id == method_id,
            PaymentMethod.stamp < stamp,
            PaymentMethod.removed_at.is_(None),
            PaymentMethod.usable.is_(False),
        )
        .values(changed_at=clock.now())
    )
    return bool(renewed.rowcount)


def write_payment_method(
    method: PaymentMethod, details: PaymentMethodDetails | None, stamp: int
) -> None:
    """Write what the processor said of a payment method; commits the session.

    Of one with a mandate only that it is gone: whether it can be charged hangs on more than this.

    :param details: `None` where the processor knows no such method.
    :param stamp: Taken before the processor was asked.
    """
    current().db.session.refresh(method)
    customer_id = method.billing_info.stripe_id
    known = _Known(method.id, method.billing_info_id, customer_id, None, method.usable)
    is_there = details is not None and details.customer_id == known.customer_id
    if is_there and method.mandate_id is not None:
        current().db.session.commit()
        return
    usable = details is not None and not details.is_expired(clock.now())
    write(Answer(stamp, known, details, usable))


def learn_mandate(mandate: Mandate) -> None:
    """Note which mandate a payment method hangs on; commits the session.

    Without a stamp: it is a fact that does not change, and whoever asks from now on asks for it.
    """
    if not mandate.multi_use:
        return
    session = current().db.session
    learned = update(PaymentMethod).where(PaymentMethod.stripe_id == mandate.payment_method_id)
    if not mandate.active:
        # The end of one does not end a newer one.
        learned = learned.where(PaymentMethod.mandate_id.is_(None))
    projects.connection().execute(learned.values(mandate_id=mandate.stripe_id))
    session.commit()


def customer(stripe_id: str) -> bool:
    """Bring the row of a customer, if there is one, up to what the processor says.

    Commits the session. Of a living customer nothing is kept but its id, so there is something to
    write only once it is deleted, and that is final.

    :returns: Whether there is a row.
    :raises GatewayError: The processor refused or did not answer.
    """
    state = current()
    query = select(BillingInfo.id, BillingInfo.removed_at).where(BillingInfo.stripe_id == stripe_id)
    row = state.db.session.execute(query).one_or_none()
    state.db.session.commit()
    if row is None:
        return False
    info_id, removed_at = row
    if removed_at is None and state.gateway.customer(stripe_id).deleted:
        write_customer_removal(info_id)
    return True


def write_customer_removal(info_id: UUID) -> None:
    """Write that a customer was deleted at the processor; commits the session.

    The rows stay and say so, its payment methods' too. No stamp is compared: nothing that the
    processor answers afterwards can be different.
    """
    session = current().db.session
    stamp = take_stamp()
    begin(info_id)
    gone = {"stamp": stamp, "removed_at": clock.now()}
    projects.connection().execute(
        update(BillingInfo)
        .where(BillingInfo.id == info_id, BillingInfo.removed_at.is_(None))
        .values(gone)
    )
    left = and_(PaymentMethod.billing_info_id == info_id, PaymentMethod.removed_at.is_(None))
    method_ids = list(session.scalars(select(PaymentMethod.id).where(left)))
    projects.connection().execute(
        update(PaymentMethod).where(left).values(gone | {"position": None, "usable": False})
    )
    session.commit()
    for method_id in method_ids:
        _tell_removal(method_id)


def write_removal(method_id: UUID, info_id: UUID, stamp: int) -> bool:
    """Write that a payment method is gone at the processor, and tell; commits the session.

    The row stays, so that an answer that comes late cannot bring the method back.

    :returns: Whether this very call wrote it; a newer stamp refuses.
    """
    session = current().db.session
    begin(info_id)
    written = _write(method_id, stamp, removed_at=clock.now(), position=None, usable=False)
    arrange(session, present(session, info_id))
    session.commit()
    if written:
        _tell_removal(method_id)
    return written


def _tell_removal(method_id: UUID) -> None:
    method = current().db.session.get_one(PaymentMethod, method_id)
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    signals.payment_method_removed.send(
        app, billing_info=method.billing_info, payment_method=method
    )


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
