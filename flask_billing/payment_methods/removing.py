"""Takes payment methods away: marked first, then detached at the processor, then written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import current_app
from sqlalchemy import and_, func, or_, select

from flask_billing import clock, guard, projects, sync
from flask_billing.errors import GatewayError, MethodNeeded
from flask_billing.models import (
    BilledProjectRow,
    Invoice,
    InvoiceCollection,
    PaymentAttempt,
    PaymentMethod,
)
from flask_billing.ordering import arrange, present
from flask_billing.payment_methods.order import find
from flask_billing.state import current
from flask_billing.transactions import begin, require_clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["finish_removal", "kept", "mark_leaving", "needed_by", "remove", "why_kept"]

_LAST = (
    "This is the last payment method that can be charged, and it is still needed. Add another one "
    "first."
)
_MESSAGES = {
    "being_charged": (
        "A payment with this payment method is under way. Remove it once the outcome is known."
    ),
    "last_usable": _LAST,
    "unpaid_invoice": _LAST,
}


def remove(project: Any, method_id: UUID) -> PaymentMethod:
    """Remove a payment method of `project`; commits the session.

    It is not charged any more from the first commit on. Where the processor does not answer, it
    stays marked as leaving, and the sweeper goes on.

    :raises NotOurs: The project has no such payment method.
    :raises MethodNeeded: A payment with it is under way; or it is the last that can be charged,
        and something billable lives or an invoice is to be paid.
    """
    session = require_clean()
    method = find(project, method_id)
    keys = begin(method.billing_info_id, projects.key_of(project))
    # Keeps out whoever begins to charge it, too: an attempt refers to this row.
    session.refresh(method, with_for_update=True)
    if method.removed_at is None and method.leaving_at is None:
        others = [m for m in present(session, method.billing_info_id) if m is not method]
        reason = _why_kept(method, others, keys)
        if reason is not None:
            session.rollback()
            raise MethodNeeded(_MESSAGES[reason])
        mark_leaving(method)
        arrange(session, others)
    session.commit()
    finish_removal(method)
    return method


def why_kept(project: Any, method: PaymentMethod) -> str | None:
    """Return why a payment method can't be removed now, or `None` where it can.

    :returns: ``"being_charged"``: a payment with it is under way. ``"last_usable"`` or
        ``"unpaid_invoice"``: it is the last that can be charged, and something billable lives, or
        an invoice is to be paid.
    """
    methods = projects.payment_methods_of(project)
    others = [other for other in methods if other is not method]
    keys = projects.sharing_keys(projects.connection(), method.billing_info_id)
    return _why_kept(method, others, keys)


def kept(project: Any, methods: Sequence[PaymentMethod]) -> dict[UUID, str]:
    """Return which payment methods of a project can't be removed now, and why, as `why_kept` does.

    :param methods: All that it has.
    """
    usable = [method for method in methods if method.is_usable]
    found = dict.fromkeys(_being_charged(method.id for method in methods), "being_charged")
    if len(usable) == 1 and usable[0].id not in found:
        reason = why_kept(project, usable[0])
        if reason is not None:
            found[usable[0].id] = reason
    return found


def _why_kept(
    method: PaymentMethod, others: Iterable[PaymentMethod], keys: Sequence[str]
) -> str | None:
    if _being_charged([method.id]):
        return "being_charged"
    if not _is_last(method, others):
        return None
    if needed_by(keys):
        return "last_usable"
    return "unpaid_invoice" if _has_unpaid_invoice(method.billing_info_id, keys) else None


def _being_charged(method_ids: Iterable[UUID]) -> set[UUID]:
    """Return those of the payment methods with which a payment is under way."""
    under_way = select(PaymentAttempt.payment_method_id).where(
        PaymentAttempt.payment_method_id.in_(list(method_ids)), PaymentAttempt.in_flight_marker == 1
    )
    return set(current().db.session.scalars(under_way))


def _has_unpaid_invoice(info_id: UUID, keys: Sequence[str]) -> bool:
    """Return whether an invoice is to be charged to a billing info; not one paid by transfer."""
    collection = InvoiceCollection
    unpaid = (
        select(Invoice.id)
        .outerjoin(collection, collection.invoice_id == Invoice.id)
        .where(
            Invoice.due > 0,
            Invoice.state.in_(["closed", "open"]),
            collection.due_at.is_(None),
            or_(
                collection.billing_info_id == info_id,
                and_(collection.billing_info_id.is_(None), Invoice.project_key.in_(keys)),
            ),
        )
    )
    return current().db.session.scalar(unpaid.limit(1)) is not None


def _is_last(method: PaymentMethod, others: Iterable[PaymentMethod]) -> bool:
    return method.is_usable and not any(other.is_usable for other in others)


def needed_by(keys: Iterable[str]) -> bool:
    """Return whether one of the projects has something billable, beyond what is free."""
    session = current().db.session
    internal = select(BilledProjectRow.project_key).where(BilledProjectRow.billable.is_(False))
    exempt = set(session.scalars(internal.where(BilledProjectRow.project_key.in_(list(keys)))))
    paying = [projects.normal_key(key) for key in keys if key not in exempt]
    if not paying:
        return False
    return any(_has_more_than_free(model, paying) for model in guard.models())


def _has_more_than_free(model: type[Any], keys: Sequence[Any]) -> bool:
    if model.billing_free:
        return False
    counted = guard.of_model(model, select(model.project_id)).where(model.project_id.in_(keys))
    too_many = counted.group_by(model.project_id).having(func.count() > model.billing_free_quantity)
    return current().db.session.execute(too_many.limit(1)).first() is not None


def mark_leaving(method: PaymentMethod) -> None:
    """Take a payment method out of the order; the caller closes the gap."""
    method.leaving_at = clock.now()
    method.position = None
    current().db.session.flush()


def finish_removal(method: PaymentMethod) -> bool:
    """Detach a leaving payment method and write that it is gone; commits the session.

    May be repeated at any time.

    :returns: Whether it is gone; while a payment with it is under way, or where the processor does
        not answer, it is not yet.
    """
    state = current()
    stripe_id, method_id, info_id = method.stripe_id, method.id, method.billing_info_id
    if _being_charged([method_id]):
        return False
    stamp = sync.take_stamp()
    try:
        state.gateway.detach_payment_method(stripe_id)
    except GatewayError as error:
        current_app.logger.warning(
            "Payment method %s could not be detached yet (%s).", method.id, error.code
        )
        return False
    written = sync.write_removal(method_id, info_id, stamp)
    if not written and method.removed_at is None:
        # Someone asked the processor after us and before it acted; so what it says now counts.
        sync.payment_method(stripe_id)
    return True
