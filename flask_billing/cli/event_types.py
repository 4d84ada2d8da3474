"""Knows which types of events an endpoint at Stripe needs for what this app deals with."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from flask_billing import events
from flask_billing.events.built_in import BUILT_IN

__all__ = ["ALL", "EventTypes", "expanded", "needed", "patterns"]

#: What an endpoint asks for that wants every type.
ALL = "*"


class EventTypes(NamedTuple):
    """Real event types, and what was asked for and is none."""

    names: frozenset[str]
    unknown: tuple[str, ...]


def patterns() -> set[str]:
    """Return the types and families that we and the host's handlers deal with."""
    return events.types_wanted(BUILT_IN)


def expanded(wanted: Iterable[str]) -> EventTypes:
    """Return the real types that types and families stand for."""
    found = {pattern: _meant(pattern) for pattern in wanted}
    unknown = sorted(pattern for pattern, names in found.items() if not names)
    return EventTypes(frozenset().union(*found.values()), tuple(unknown))


def _meant(pattern: str) -> frozenset[str]:
    # Imported here: an app that serves has no use for the local Stripe.
    from flask_billing.sandbox.webhooks.event_types import EVENT_TYPES

    if pattern == ALL:
        return EVENT_TYPES
    if pattern.endswith(".*"):
        return frozenset(name for name in EVENT_TYPES if name.startswith(pattern[:-1]))
    return EVENT_TYPES & {pattern}


def needed() -> EventTypes:
    """Return what an endpoint has to ask for: exactly what is dealt with, or all."""
    wanted = patterns()
    return EventTypes(frozenset({ALL}), ()) if ALL in wanted else expanded(wanted)
