"""What the money rules answer: lines, their sums, and what is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

__all__ = ["Group", "Line", "Priced"]

_NOTHING = Decimal(0)


class Line(NamedTuple):
    """A line of an invoice; its fields are the columns of `InvoiceLine`."""

    kind: str
    gross: Decimal
    net: Decimal
    amount: int
    resource_type: str | None = None
    resource_id: str | None = None
    slot: str | None = None
    rate_id: UUID | None = None
    quantity: Decimal | None = None
    minutes: int | None = None
    free_quantity: Decimal | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    discount_percent: Decimal | None = None
    discount_id: UUID | None = None
    adjustment_id: UUID | None = None


@dataclass(slots=True)
class Group:
    """The lines of one kind and rate, summed up; its fields are the columns of `InvoiceGroup`."""

    kind: str
    group_name: str = ""
    rate_id: UUID | None = None
    line_count: int = 0
    quantity: Decimal | None = None
    free_quantity: Decimal | None = None
    gross: Decimal = _NOTHING
    net: Decimal = _NOTHING
    amount: int = 0

    def add(self, line: Line) -> None:
        """Add a line to the sums; its quantity in unit-minutes or events."""
        self.line_count += 1
        self.gross += line.gross
        self.net += line.net
        self.amount += line.amount
        if line.quantity is not None:
            units = line.quantity if line.minutes is None else line.quantity * line.minutes
            self.quantity = (self.quantity or _NOTHING) + units
            self.free_quantity = (self.free_quantity or _NOTHING) + (line.free_quantity or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Priced:
    """What a project owes for a period, in minor units; the fields are the columns of `Invoice`.

    :ivar credits_used: The id of each credit that is spent, and how much of it.
    """

    lines: list[Line]
    groups: list[Group]
    gross: int
    subtotal: int
    carried_in: int
    adjusted: int
    credit_used: int
    credit_granted: int
    due: int
    carried_out: int
    waived: int
    credits_used: Sequence[tuple[UUID, int]]

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write on an invoice; what was carried stays carried."""
        return not self.lines
