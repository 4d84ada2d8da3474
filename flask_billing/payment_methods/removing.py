"""Takes payment methods away: marked first, then detached at the processor, then written down."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import current_app
from sqlalchemy import func, select

from flask_billing import clock, guard, projects, sync
from flask_billing.errors import GatewayError, MethodNeeded
from flask_billing.models import BilledProjectRow, PaymentMethod
from flask_billing.ordering import arrange, present
from flask_billing.payment_methods.order import find
from flask_billing.state import current
from flask_billing.transactions import begin, require_clean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["finish_removal", "mark_leaving", "needed_by", "remove", "why_kept"]


def remove(project: Any, method_id: UUID) -> PaymentMethod:
    """Remove a payment method of `project`; commits the session.

    It is not charged any more from the first commit on. Where the processor does not answer, it
    stays marked as leaving, and the sweeper goes on.

    :raises NotOurs: The project has no such payment method.
    :raises MethodNeeded: It is the last that can be charged, and something billable lives.
    """
    session = require_clean()
    method = find(project, method_id)
    keys = begin(method.billing_info_id, projects.key_of(project))
    session.refresh(method)
    if method.removed_at is None and method.leaving_at is None:
        others = [m for m in present(session, method.billing_info_id) if m is not method]
        if _is_last(method, others) and needed_by(keys):
            session.rollback()
            raise MethodNeeded(
                "This is the last payment method that can be charged, and it is still needed. Add "
                "another one first."
            )
        mark_leaving(method)
        arrange(session, others)
    session.commit()
    finish_removal(method)
    return method


def why_kept(project: Any, method: PaymentMethod) -> str | None:
    """Return why a payment method can't be removed now, or `None` where it can.

    :returns: ``"last_usable"``: it is the last that can be charged, and something billable lives.
    """
    methods = projects.payment_methods_of(project)
    others = [other for other in methods if other is not method]
    if not _is_last(method, others):
        return None
    keys = projects.sharing_keys(projects.connection(), method.billing_info_id)
    return "last_usable" if needed_by(keys) else None


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

    :returns: Whether it is gone; where the processor does not answer, it is not yet.
    """
    state = current()
    stripe_id, method_id, info_id = method.stripe_id, method.id, method.billing_info_id
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
