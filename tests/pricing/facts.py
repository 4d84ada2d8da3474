"""Facts for the money rules, in few words."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from flask_billing.periods import month_named
from flask_billing.pricing import (
    AllowanceFacts,
    DiscountFacts,
    RateFacts,
    RecordFacts,
    Terms,
    TotalFacts,
)


def rate(number: int, name: str, price: str, group: str, unit: str = "minute") -> RateFacts:
    return RateFacts(UUID(int=number), name, unit, Decimal(price), "usd", group)


SMALL = rate(1, "machine.small", "0.0003843751", "machines")
LARGE = rate(2, "machine.large", "0.0015375004", "machines")
DISK = rate(3, "disk.gb", "0.0000023149", "disks")
CALL = rate(4, "api.call", "0.0001", "api", "count")
TOKEN = rate(5, "tokens", "0.00000005", "api", "count")
RATES = {each.id: each for each in (SMALL, LARGE, DISK, CALL, TOKEN)}

JUNE = month_named("2026-06")
JULY = month_named("2026-07")


def terms(**changes: Any) -> Terms:
    fixed: dict[str, Any] = {
        "period": JUNE,
        "currency": "usd",
        "rates": RATES,
        "cap_minutes": 40_320,
        "minimum": 50,
        "below_minimum": "carry",
    }
    return Terms(**fixed | changes)


def june(day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(2026, 6, day, hour, minute, second, tzinfo=UTC)


def record(
    start: datetime | None = None,
    end: datetime | None = None,
    *,
    rate: RateFacts = SMALL,
    quantity: str | int = 1,
    resource: str = "1",
    slot: str = "compute",
) -> RecordFacts:
    start = start or datetime(2026, 1, 1, tzinfo=UTC)
    return RecordFacts("machine", resource, slot, rate.id, Decimal(quantity), start, end)


def total(
    day: int | date,
    quantity: str | int,
    *,
    rate: RateFacts = CALL,
    resource: str = "",
    counted_in: date = date(2026, 6, 1),
) -> TotalFacts:
    day = date(2026, 6, day) if isinstance(day, int) else day
    kind = "machine" if resource else ""
    return TotalFacts(counted_in, day, rate.id, kind, resource, Decimal(quantity), 1)


def discount(
    percent: str | int,
    scope: str = "project",
    target: str = "",
    start: datetime | None = None,
    end: datetime | None = None,
    number: int = 1,
) -> DiscountFacts:
    return DiscountFacts(
        UUID(int=number),
        scope,
        target,
        "machine" if scope == "resource" else None,
        Decimal(percent),
        start or datetime(2026, 1, 1, tzinfo=UTC),
        end,
    )


def allowance(scope: str, target: str, quantity: str | int) -> AllowanceFacts:
    return AllowanceFacts(scope, target, Decimal(quantity))
