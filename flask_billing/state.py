"""What billing knows about one app: its database, settings, hooks and gateway."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID
from weakref import ref

from flask import current_app, has_app_context

from flask_billing.errors import BillingDisabled

if TYPE_CHECKING:
    from flask_sqlalchemy import SQLAlchemy
    from sqlalchemy import Connection

    from flask_billing.gateways import Gateway
    from flask_billing.letters import Letter, Notifier, Recipient
    from flask_billing.settings import Settings

__all__ = [
    "EXTENSION",
    "EventHandler",
    "GuardRule",
    "Hooks",
    "State",
    "current",
    "state_of_app",
]

#: The key of `app.extensions`.
EXTENSION = "billing"

#: `(project, model, count)` → may be created, must not, or no opinion.
GuardRule = Callable[[Any, type[Any] | None, int], bool | None]


class EventHandler(NamedTuple):
    """A function of the host that is told of events."""

    #: An event type, a family such as ``"customer.*"``, or ``"*"``.
    pattern: str
    #: Under which it is noted that the function has dealt with an event.
    name: str
    function: Callable[[Any], None]


@dataclass
class Hooks:
    """What the host decides."""

    project_loader: Callable[[str], Any] | None = None
    can_manage: Callable[[Any], bool] = field(default=lambda project: False)
    staff_required: Callable[[], bool] = field(default=lambda: False)
    actor: Callable[[], object] = field(default=lambda: None)
    guard_rules: list[GuardRule] = field(default_factory=list)
    event_handlers: list[EventHandler] = field(default_factory=list)
    members_emails: Callable[[str], Iterable[str | Recipient]] = field(default=lambda key: ())
    notifier: Notifier | None = None


def _without_words(facts: Any, recipient: Recipient) -> Letter:
    raise RuntimeError("This app has no words for notifications; 'billing.init_app' gives it some.")


@dataclass
class State:
    """What billing knows about one app."""

    db: SQLAlchemy
    settings: Settings
    hooks: Hooks
    make_gateway: Callable[[Settings], Gateway]
    #: Keys of projects that our rows of were seen; such rows are never deleted.
    known_keys: set[str] = field(default_factory=set)
    #: Rates whose rows were seen committed; such rows never change and are never deleted.
    known_rates: set[UUID] = field(default_factory=set)
    #: Rates whose rows this process wrote, by which connection: it may still roll back.
    rates_written: dict[UUID, ref[Connection]] = field(default_factory=dict)
    #: Tells workers elsewhere that there is something to do; they also look by themselves.
    wake_workers: Callable[[], None] = lambda: None
    #: Puts the facts of a notification into words for one person.
    write_letter: Callable[[Any, Recipient], Letter] = _without_words

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
