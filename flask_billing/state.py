"""What billing knows about one app: its database, settings, hooks and gateway."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flask import current_app, has_app_context

from flask_billing.errors import BillingDisabled

if TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy

    from flask_billing.gateways import Gateway
    from flask_billing.settings import Settings

__all__ = ["EXTENSION", "GuardRule", "Hooks", "State", "current", "state_of_app"]

#: The key of `app.extensions`.
EXTENSION = "billing"

#: `(project, model, count)` → may be created, must not, or no opinion.
GuardRule = Callable[[Any, type[Any] | None, int], bool | None]


@dataclass
class Hooks:
    """What the host decides."""

    project_loader: Callable[[str], Any] | None = None
    can_manage: Callable[[Any], bool] = field(default=lambda project: False)
    staff_required: Callable[[], bool] = field(default=lambda: False)
    guard_rules: list[GuardRule] = field(default_factory=list)


@dataclass
class State:
    """What billing knows about one app."""

    db: SQLAlchemy
    settings: Settings
    hooks: Hooks
    make_gateway: Callable[[Settings], Gateway]
    #: Keys of projects that our rows of were seen; such rows are never deleted.
    known_keys: set[str] = field(default_factory=set)

    @cached_property
    def gateway(self) -> Gateway:
        """The adapter to the processor, one for each app and process.

        :raises BillingDisabled: `STRIPE_SECRET_KEY` is not set.
        """
        if not self.settings.enabled:
            raise BillingDisabled
        return self.make_gateway(self.settings)

    @cached_property
    def threads(self) -> ThreadPoolExecutor:
        """Where calls to the processor run side by side."""
        return ThreadPoolExecutor(max_workers=8, thread_name_prefix="billing")


def state_of_app() -> State | None:
    """Return the state of the current app; `None` outside an app context or without billing."""
    if not has_app_context():
        return None
    state: State | None = current_app.extensions.get(EXTENSION)
    return state


def current() -> State:
    """Return the state of the current app.

    :raises RuntimeError: There is no app context, or `init_app` was not called.
    """
    state = state_of_app()
    if state is None:
        raise RuntimeError(
            "Billing is not set up for this app. Is there an app context, and did you forget to "
            "call 'billing.init_app(app)'?"
        )
    return state
