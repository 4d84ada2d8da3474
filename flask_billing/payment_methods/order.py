"""Changes the order in which payment methods are tried."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_billing import clock, projects, waking
from flask_billing.errors import NotOurs
from flask_billing.models import PaymentMethod
from flask_billing.ordering import arrange, present
from flask_billing.transactions import begin, require_clean

__all__ = ["find", "move"]


def move(project: Any, method_id: UUID, *, direction: str) -> None:
    """Put a payment method of `project` one place up or down; commits the session.

    The one that is tried earlier now may be tried at once, where an invoice waits. At the end of
    the order nothing happens.

    :param direction: ``"up"`` (tried earlier) or ``"down"``.
    :raises NotOurs: The project has no such payment method.
    """
    if direction not in {"up", "down"}:
        raise ValueError("direction must be 'up' or 'down'")
    session = require_clean()
    method = find(project, method_id)
    begin(method.billing_info_id, projects.key_of(project))
    methods = present(session, method.billing_info_id)
    if method in methods:
        here = methods.index(method)
        there = here + (-1 if direction == "up" else 1)
        if 0 <= there < len(methods):
            methods[here], methods[there] = methods[there], methods[here]
            methods[min(here, there)].changed_at = clock.now()
            arrange(session, methods)
            waking.wake(projects.connection(), method.billing_info_id)
    session.commit()


def find(project: Any, method_id: UUID) -> PaymentMethod:
    """Return a payment method of `project` by its id.

    :raises NotOurs: The project has none with this id.
    """
    for method in projects.payment_methods_of(project):
        if method.id == method_id:
            return method
    raise NotOurs("This project has no such payment method.")
