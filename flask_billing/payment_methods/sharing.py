"""Lets one project pay by the billing info of another."""

from __future__ import annotations

from typing import Any

from flask_billing import projects, waking
from flask_billing.errors import MethodNeeded, SharingRefused
from flask_billing.ordering import present
from flask_billing.payment_methods.adding import close_open_session
from flask_billing.state import current
from flask_billing.transactions import begin, require_clean

__all__ = ["share"]


def share(project: Any, other: Any) -> None:
    """Let `other` pay by the billing info of `project`; commits the session.

    What `other` paid by before stays as it is, for whoever else uses it.

    :raises SharingRefused: The host's `can_manage` does not agree for both projects.
    :raises MethodNeeded: There is nothing to share that could be charged.
    """
    state = current()
    if not (state.hooks.can_manage(project) and state.hooks.can_manage(other)):
        raise SharingRefused("Only who manages both projects may let them share billing info.")
    session = require_clean()
    close_open_session(other)
    info_id = projects.paying_info_id(project)
    session.commit()
    begin(info_id, projects.key_of(other))
    if info_id is None or not any(method.is_usable for method in present(session, info_id)):
        session.rollback()
        raise MethodNeeded(
            "The project has no payment method that could be charged. Add one first."
        )
    other.billing_info_id = info_id
    session.flush()
    waking.wake(projects.connection(), info_id)
    session.commit()
