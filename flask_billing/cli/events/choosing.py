"""The options by which events are chosen, and the query that they mean."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from typing import Any
from uuid import UUID

import click
from sqlalchemy import ColumnElement, and_, or_

from flask_billing.cli.moments import MOMENT
from flask_billing.models import BillingEvent
from flask_billing.state import current

__all__ = ["Choice", "choosing", "uuid_of"]

STATES = ("pending", "processed", "ignored", "failed")


@dataclass(frozen=True)
class Choice:
    """Which events are meant; nothing given means all of this mode."""

    ids: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    since: datetime | None = None
    older_than: datetime | None = None

    def __bool__(self) -> bool:
        """Return whether anything was given."""
        return self != Choice()

    def condition(self) -> ColumnElement[bool]:
        """Return the condition that an event is meant; those of the other mode never are."""
        return and_(BillingEvent.livemode == current().settings.livemode, *self._conditions())

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        if self.ids:
            yield _has_id(self.ids)
        if self.states:
            yield BillingEvent.state.in_(self.states)
        if self.types:
            yield or_(*(_has_type(pattern) for pattern in self.types))
        if self.since is not None:
            yield BillingEvent.received_at >= self.since
        if self.older_than is not None:
            yield BillingEvent.received_at < self.older_than


def _has_id(ids: tuple[str, ...]) -> ColumnElement[bool]:
    own = [found for found in map(uuid_of, ids) if found is not None]
    columns = (BillingEvent.stripe_id, BillingEvent.object_id, BillingEvent.customer_id)
    return or_(BillingEvent.id.in_(own), *(column.in_(ids) for column in columns))


def uuid_of(text: str) -> UUID | None:
    """Return our own id that a text holds, if it does."""
    try:
        return UUID(text)
    except ValueError:
        return None


def _has_type(pattern: str) -> ColumnElement[bool]:
    if pattern.endswith("*"):
        return BillingEvent.type.startswith(pattern[:-1], autoescape=True)
    return BillingEvent.type == pattern


def choosing(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that choose events, as one `choice`."""

    @click.argument("ids", nargs=-1, metavar="[ID]...")
    @click.option(
        "--state",
        "states",
        type=click.Choice(STATES),
        multiple=True,
        help="Only in this state; may be given several times.",
    )
    @click.option(
        "--type",
        "types",
        metavar="TYPE",
        multiple=True,
        help="Only of this type or family ('customer.*'); may be given several times.",
    )
    @click.option(
        "--since", type=MOMENT, metavar="WHEN", help="Only what arrived since: 2h, 3d, or a date."
    )
    @click.option(
        "--older-than",
        type=MOMENT,
        metavar="WHEN",
        help="Only what arrived before: 2h, 3d, or a date.",
    )
    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        given = {name: kwargs.pop(name) for name in Choice.__dataclass_fields__}
        command(*args, choice=Choice(**given), **kwargs)

    return run
