"""Knows which event types are dealt with, by us and by the host's handlers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flask_billing.models import BillingInfo, PaymentMethod, SetupSession
from flask_billing.state import EventHandler, Hooks, current

__all__ = ["Notice", "handlers_for", "means", "names_for", "register", "types_wanted"]

_TWO_OF_A_NAME = (
    "Two handlers are called {name}, and only one of them would run. Give one of them a name of "
    "its own: on(…, name='…')."
)
_PATTERN = re.compile(r"\*|[a-z0-9_]+(?:\.[a-z0-9_]+)*\.(?:[a-z0-9_]+|\*)")


@dataclass(frozen=True, kw_only=True)
class Notice:
    """What a handler is told of an event: ids, and through them our rows.

    The rows are as they are now, not as they were when it happened; so is whatever you fetch from
    the processor by `object_id`.
    """

    #: Our own id of the event.
    id: UUID
    #: The event's id at the processor.
    stripe_id: str
    type: str
    object_id: str | None
    object_type: str | None
    #: The customer that the object belongs to, or belonged to before.
    customer_id: str | None
    #: The connected account that it happened on; `None` for your own.
    account_id: str | None
    livemode: bool
    created_at: datetime

    @property
    def billing_info(self) -> BillingInfo | None:
        """Who pays, where the object belongs to a customer of ours."""
        if self.account_id is not None:
            return None
        method = self.payment_method
        if method is not None:
            return method.billing_info
        query = select(BillingInfo).where(BillingInfo.stripe_id == self.customer_id)
        return current().db.session.scalars(query).one_or_none()

    @property
    def payment_method(self) -> PaymentMethod | None:
        """The payment method, where that is what changed."""
        if self.object_type != "payment_method" or self.account_id is not None:
            return None
        query = select(PaymentMethod).where(PaymentMethod.stripe_id == self.object_id)
        return current().db.session.scalars(query).one_or_none()

    @property
    def setup_session(self) -> SetupSession | None:
        """The stay on the processor's page, where that is what changed."""
        if self.object_type != "checkout.session" or self.account_id is not None:
            return None
        query = select(SetupSession).where(SetupSession.stripe_id == self.object_id)
        return current().db.session.scalars(query).one_or_none()


def register(
    hooks: Hooks, pattern: str, function: Callable[[Notice], None], name: str | None = None
) -> None:
    """Have `function` called for the events that `pattern` means.

    :param name: Under which it is remembered that it has dealt with an event; by default its
        module and name. The same function registered again takes its own place.
    :raises ValueError: No event can have such a type.
    :raises TypeError: A function without a name of its own needs one to be remembered by.
    :raises RuntimeError: Another function has the name already.
    """
    if not _PATTERN.fullmatch(pattern):
        raise ValueError(
            f"{pattern!r} is no event type. Name one, such as 'payment_method.detached', a family "
            "such as 'payment_method.*', or '*' for all."
        )
    name = name or _name_of(function)
    if name is None or len(name) > 255:
        raise TypeError("Give this handler a name of at most 255 characters: on(…, name='…').")
    for other in hooks.event_handlers:
        if other.name == name and _code(other.function) != _code(function):
            raise RuntimeError(_TWO_OF_A_NAME.format(name=name))
    handler = EventHandler(pattern, name, function)
    others = [h for h in hooks.event_handlers if (h.pattern, h.name) != (pattern, name)]
    hooks.event_handlers[:] = [*others, handler]


def _name_of(function: object) -> str | None:
    qualname: str | None = getattr(function, "__qualname__", None)
    if qualname is None or "<lambda>" in qualname:
        return None
    return f"{function.__module__}.{qualname}"


def _code(function: Any, depth: int = 5) -> tuple[Any, ...]:
    """Return what is the same for a function that is defined anew, as in an app's factory.

    Not for two methods' objects, nor for two functions in the same wrapper.
    """
    cells = getattr(function, "__closure__", None) or () if depth else ()
    wrapped = [_code(value, depth - 1) for value in map(_content, cells) if callable(value)]
    code = getattr(function, "__code__", type(function))
    return code, id(getattr(function, "__self__", None)), *wrapped


def _content(cell: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not filled yet
        return None


def handlers_for(event_type: str) -> list[EventHandler]:
    """Return the host's handlers of an event type, each once, in the order of registration.

    :raises RuntimeError: Two different ones have the same name.
    """
    found: dict[str, EventHandler] = {}
    for handler in _meant(event_type):
        other = found.setdefault(handler.name, handler)
        if other.function != handler.function:
            raise RuntimeError(_TWO_OF_A_NAME.format(name=handler.name))
    return list(found.values())


def names_for(event_type: str) -> list[str]:
    """Return the names of the host's handlers of an event type, in the order of registration."""
    return list(dict.fromkeys(handler.name for handler in _meant(event_type)))


def _meant(event_type: str) -> list[EventHandler]:
    return [h for h in current().hooks.event_handlers if means(h.pattern, event_type)]


def types_wanted(known: Iterable[str]) -> set[str]:
    """Return the event types that the processor should send: ours, and those of the host.

    :param known: The types that we deal with ourselves.
    :returns: Families as they were registered, such as ``"customer.*"``.
    """
    return set(known) | {handler.pattern for handler in current().hooks.event_handlers}


def means(pattern: str, event_type: str) -> bool:
    """Return whether an event type is meant by a type, a family or ``"*"``."""
    return pattern in {"*", event_type} or (
        pattern.endswith(".*") and event_type.startswith(pattern[:-1])
    )
