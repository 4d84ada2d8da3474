"""Offers the payment methods that an invoice can be paid with, in their order."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from flask_billing.web.presenters.methods import Method

__all__ = ["Choice", "choices_of"]


@dataclass(frozen=True)
class Choice:
    """A payment method that can be chosen.

    :ivar is_chosen: It is what the form begins with.
    :ivar was_declined: It was declined for this invoice, and not changed since.
    """

    id: UUID
    label: str = field(repr=False)
    notes: tuple[str, ...] = field(repr=False)
    is_chosen: bool
    was_declined: bool


def choices_of(methods: Sequence[Method], declined: Collection[UUID]) -> list[Choice]:
    """Return the methods that can be charged; the first that was not declined is chosen."""
    usable = [method for method in methods if method.is_usable]
    hopeful = [method for method in usable if method.id not in declined]
    chosen = next(iter(hopeful or usable), None)
    return [
        Choice(
            id=method.id,
            label=method.label,
            notes=method.notes,
            is_chosen=method is chosen,
            was_declined=method.id in declined,
        )
        for method in usable
    ]
