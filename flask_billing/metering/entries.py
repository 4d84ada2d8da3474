"""What is written for a usage event."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

__all__ = ["Entry"]


class Entry(NamedTuple):
    """A usage event as its row has it; named as the columns are."""

    id: UUID
    project_key: str
    event_id: str
    rate_id: UUID
    quantity: Decimal | int
    used_at: datetime
    resource_type: str | None
    resource_id: str | None
    counted_in: date
    recorded_at: datetime
