"""What looks at many things bring to light, one after the other, so that they can be broken off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from uuid import UUID

from flask_billing.errors import GatewayRefusal, NotOurs

__all__ = ["Difference", "Look", "Walk", "refusal_code", "settled"]


@dataclass(frozen=True)
class Difference:
    """Something that is not the same here and at the processor.

    :ivar kind: `customer`, `payment_method` or `setup_session`.
    :ivar code: Of a customer `deleted` (there), `not_written` (made for a setup session of ours),
        `missing` (not shown to this key) or `refused`; of a payment method `gone` (there), `usable`
        or `unusable` (there), `unknown` (here), `removed_here` or `refused`; of a setup session
        `ended` (there) or `refused`.
    :ivar id: The id of our row; of the setup session where a customer is not written down, of the
        billing info where a payment method is unknown.
    :ivar fixed: Whether our rows say by now what the processor says.
    """

    kind: str
    code: str
    id: UUID
    stripe_id: str
    fixed: bool = False


@dataclass(frozen=True)
class Look:
    """What one look found.

    :ivar place: Where it was; what `after` takes to go on behind it.
    """

    place: str
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True)
class Walk:
    """Looks at all things of one kind.

    :ivar name: Of the things, in words for people.
    :ivar total: How many there are; `None` where only the processor knows.
    """

    name: str
    looks: Iterator[Look]
    total: int | None = None


def settled(
    look: Callable[[], Iterable[Difference]], fix: Callable[[Difference], None] | None
) -> tuple[Difference, ...]:
    """Look for differences, fix them, and look again which are left.

    :param fix: `None` leaves them as they are.
    """
    found = tuple(look())
    if fix is None or not found:
        return found
    for difference in found:
        try:
            fix(difference)
        except (GatewayRefusal, NotOurs):
            # It is about this one thing, so the others can go on; the second look finds it left.
            continue
    left = list(look())
    new = [difference for difference in left if difference not in found]
    return tuple(replace(d, fixed=d not in left) for d in found) + tuple(new)


def refusal_code(error: GatewayRefusal) -> str:
    """Return the code of a difference for what the processor refused to tell."""
    return "missing" if error.code == "resource_missing" else "refused"
