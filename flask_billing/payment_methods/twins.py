"""Recognises a card that was saved before, and lets the new one take its place."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import update

from flask_billing import projects
from flask_billing.gateways import PaymentMethodDetails
from flask_billing.models import Dispute, PaymentMethod, table_of
from flask_billing.ordering import arrange, present
from flask_billing.payment_methods.removing import finish_removal, mark_leaving
from flask_billing.state import current
from flask_billing.transactions import begin

__all__ = ["replace", "replace_twins", "twins_of"]

#: How a method is refused until staff accept it.
_DISPUTED = "disputed"


def twins_of(details: PaymentMethodDetails, customer_id: str) -> frozenset[str]:
    """Return the processor's ids of what a customer saved before that is the same card.

    Ends the session's transaction; the fingerprint that tells is not kept.
    """
    current().db.session.commit()
    if not details.fingerprint:
        return frozenset()
    return frozenset(
        other.stripe_id
        for other in current().gateway.payment_methods(customer_id)
        if other.fingerprint == details.fingerprint and other.stripe_id != details.stripe_id
    )


def replace(
    method: PaymentMethod, replaced: Sequence[PaymentMethod], methods: Sequence[PaymentMethod]
) -> None:
    """Give `method` the place of the first of `replaced`, and mark those as leaving.

    A card that a bank complained of is not charged again because it was saved once more.

    :param methods: All others in their order; the caller holds their lock, and commits.
    """
    place = methods.index(replaced[0])
    rest = [other for other in methods if other not in replaced and other is not method]
    _inherit(method, [other.id for other in replaced if other.refusal == _DISPUTED])
    for other in replaced:
        mark_leaving(other)
    arrange(current().db.session, [*rest[:place], method, *rest[place:]])


def _inherit(method: PaymentMethod, disputed_ids: Sequence[UUID]) -> None:
    """Refuse a method for the disputes of the same card, which staff find with it from now on."""
    if not disputed_ids:
        return
    method.refusal = _DISPUTED
    dispute = table_of(Dispute)
    projects.connection().execute(
        update(dispute)
        .where(dispute.c.payment_method_id.in_(disputed_ids))
        .values(payment_method_id=method.id)
    )


def replace_twins(method: PaymentMethod) -> None:
    """Let a method that was found good take the place of the same card; commits the session.

    :raises GatewayError: The processor refused or did not answer.
    """
    session = current().db.session
    stripe_id, info_id = method.stripe_id, method.billing_info_id
    customer_id = method.billing_info.stripe_id
    session.commit()
    details = current().gateway.payment_method(stripe_id)
    twins = twins_of(details, customer_id) if details is not None else frozenset()
    if not twins:
        return
    begin(info_id)
    methods = present(session, info_id)
    replaced = [other for other in methods if other.stripe_id in twins]
    if replaced and method in methods:
        replace(method, replaced, methods)
    session.commit()
    for other in replaced:
        finish_removal(other)
