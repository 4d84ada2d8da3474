"""What the money rules are told: usage, and the terms on which it is priced."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from flask_billing.periods import Span

__all__ = [
    "AdjustmentFacts",
    "AllowanceFacts",
    "CreditFacts",
    "DiscountFacts",
    "RateFacts",
    "RecordFacts",
    "Terms",
    "TotalFacts",
    "in_utc",
]


class RateFacts(NamedTuple):
    """A rate: what one unit costs, in major units of its currency."""

    id: UUID
    name: str
    #: `minute` or `count`.
    unit: str
    unit_price: Decimal
    currency: str
    group: str


class RecordFacts(NamedTuple):
    """A billing record; `ended_at` is `None` while it runs."""

    resource_type: str
    resource_id: str
    slot: str
    rate_id: UUID
    quantity: Decimal
    started_at: datetime
    ended_at: datetime | None


class TotalFacts(NamedTuple):
    """The sum of a day's usage events of one rate and resource, as it is stored."""

    #: The first day of the month whose invoice has it.
    counted_in: date
    #: In UTC; before the period where the events came late.
    day: date
    rate_id: UUID
    resource_type: str
    resource_id: str
    quantity: Decimal
    event_count: int


class DiscountFacts(NamedTuple):
    """A percentage off: of scope `project`, or of the `resource`, `rate` or `group` in `target`."""

    id: UUID
    scope: str
    target: str
    resource_type: str | None
    percent: Decimal
    valid_from: datetime
    valid_until: datetime | None


class AllowanceFacts(NamedTuple):
    """What is free in the period, in unit-minutes or events: of a `rate` or a `group`."""

    scope: str
    target: str
    quantity: Decimal


class AdjustmentFacts(NamedTuple):
    """A correction in minor units; negative in the customer's favour."""

    id: UUID
    amount: int


class CreditFacts(NamedTuple):
    """What is left of a credit, in minor units."""

    id: UUID
    remaining: int
    expires_at: datetime | None
    granted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Everything but the usage, limited to what counts as of the period's end.

    :ivar rates: At least those that the usage refers to, by id.
    :ivar cap_minutes: The most minutes of a slot in a month; `None` for no limit.
    :ivar minimum: The least that is charged, in minor units.
    :ivar below_minimum: What becomes of less: ``"carry"`` or ``"waive"``.
    :ivar carried: What earlier months were too small to charge, in minor units.
    """

    period: Span
    currency: str
    rates: Mapping[UUID, RateFacts]
    cap_minutes: int | None
    minimum: int
    below_minimum: str
    carried: int = 0
    discounts: Sequence[DiscountFacts] = ()
    allowances: Sequence[AllowanceFacts] = ()
    adjustments: Sequence[AdjustmentFacts] = ()
    credits: Sequence[CreditFacts] = ()

    def rate(self, rate_id: UUID, unit: str) -> RateFacts:
        """Return a rate that usage refers to.

        :raises ValueError: There is none (`rate`), or it has another currency or unit.
        """
        rate = self.rates.get(rate_id)
        if rate is None:
            raise ValueError("rate")
        if rate.currency != self.currency:
            raise ValueError("currency")
        if rate.unit != unit:
            raise ValueError("unit")
        return rate


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; between two in one zone, Python counts the hours on its clocks.

    :raises ValueError: It has no zone.
    """
    if moment.tzinfo is UTC:
        return moment
    if moment.tzinfo is None:
        raise ValueError("zone")
    return moment.astimezone(UTC)
