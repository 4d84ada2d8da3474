"""Knows what banks ask back, or warn of; such a method is not charged before staff agree."""

from __future__ import annotations

from typing import Any, NamedTuple
from uuid import UUID

from flask import current_app
from sqlalchemy import insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, collecting, projects, signing, sync, waking
from flask_billing.errors import CollectingRefused
from flask_billing.gateways import RemoteDispute
from flask_billing.ids import uuid7
from flask_billing.models import Dispute, InvoiceCollection, PaymentMethod, table_of
from flask_billing.refunding.telling import tell_dispute
from flask_billing.state import current
from flask_billing.transactions import begin, require_clean

__all__ = ["accept_method", "observe_dispute"]

#: What the gateway calls what it has to say of a payment.
_OBJECTS = {"dispute": "dispute", "fraud_warning": "radar.early_fraud_warning"}


class _About(NamedTuple):
    invoice_id: UUID | None
    payment_method_id: UUID | None


def observe_dispute(stripe_id: str) -> bool:
    """Write a dispute or an early fraud warning as it is now; commits the session.

    With a new one its payment method is not charged any more: see :func:`accept_method`.

    :returns: Whether it is of an invoice or a payment method of ours.
    :raises GatewayError: The processor refused or did not answer.
    """
    stamp = sync.take_stamp()
    remote = current().gateway.dispute(stripe_id)
    if remote is None:
        return False
    about = _about(remote)
    if about == _About(None, None):
        return False
    new_id = _write(remote, about, stamp)
    if new_id is not None:
        tell_dispute(new_id)
    return True


def _about(remote: RemoteDispute) -> _About:
    object_type = _OBJECTS.get(remote.kind, "dispute")
    invoice_stripe_id = current().gateway.invoice_id_of(object_type, remote.stripe_id)
    session = current().db.session
    invoice_id = None
    # Which also writes how its payments stand now.
    if invoice_stripe_id is not None and collecting.observe(invoice_stripe_id):
        by_id = InvoiceCollection.stripe_id == invoice_stripe_id
        invoice_id = session.scalar(select(InvoiceCollection.invoice_id).where(by_id))
    method_id = session.scalar(
        select(PaymentMethod.id).where(PaymentMethod.stripe_id == remote.method_id)
    )
    session.commit()
    return _About(invoice_id, method_id)


def _write(remote: RemoteDispute, about: _About, stamp: int) -> UUID | None:
    """Write a dispute; returns its id where this very call has made its row."""
    session = current().db.session
    row = table_of(Dispute)
    values = {
        "state": remote.state,
        "reason": remote.reason,
        "amount": remote.amount,
        "currency": remote.currency,
        "respond_by": remote.respond_by,
        "stamp": stamp,
    }
    known = row.c.stripe_id == remote.stripe_id
    if session.scalar(select(row.c.id).where(known)) is None:
        new_id = _insert(remote, about, values)
        if new_id is not None:
            return new_id
    projects.connection().execute(update(row).where(known, row.c.stamp < stamp).values(values))
    session.commit()
    return None


def _insert(remote: RemoteDispute, about: _About, values: dict[str, Any]) -> UUID | None:
    """Insert a dispute and refuse its method in one transaction; `None` where it is there."""
    session = current().db.session
    new_id = uuid7()
    made = {
        "id": new_id,
        "stripe_id": remote.stripe_id,
        "kind": remote.kind,
        "charge_id": remote.charge_id,
        "created_at": clock.now(),
        **about._asdict(),
    }
    try:
        projects.connection().execute(insert(table_of(Dispute)).values(made | values))
    except IntegrityError:
        session.rollback()
        return None
    method = table_of(PaymentMethod).c
    projects.connection().execute(
        update(table_of(PaymentMethod))
        .where(
            method.id == about.payment_method_id,
            or_(method.refusal.is_(None), method.refusal == "checking"),
        )
        .values(refusal="disputed")
    )
    session.commit()
    return new_id


def accept_method(method_id: UUID, *, made_by: str | None = None) -> PaymentMethod:
    """Charge a payment method again that was disputed; commits the session.

    :param made_by: The host's id of who decided it.
    :raises CollectingRefused: It is not refused because of a dispute.
    :raises LookupError: There is no such payment method.
    :raises ValueError: `made_by` can't be meant.
    """
    signing.check("accepted", made_by)
    session = require_clean()
    method = session.get(PaymentMethod, method_id)
    if method is None:
        raise LookupError(f"There is no payment method {method_id}.")
    info_id = method.billing_info_id
    begin(info_id)
    session.refresh(method)
    if method.refusal != "disputed":
        session.rollback()
        raise CollectingRefused(
            f"The payment method {method_id} is not refused because of a dispute.", reason="method"
        )
    method.refusal = None
    method.changed_at = clock.now()
    session.flush()
    waking.wake(projects.connection(), info_id)
    session.commit()
    current_app.logger.info("Payment method %s is charged again, says %s.", method_id, made_by)
    return method
