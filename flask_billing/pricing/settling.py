"""From the sum of the lines to what is due: credit, then the minimum charge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from uuid import UUID

from flask_billing.pricing.facts import CreditFacts, Terms

__all__ = ["Settlement", "settle"]

_NEVER = datetime.max.replace(tzinfo=UTC)


class Settlement(NamedTuple):
    """What becomes of the sum of the lines, in minor units."""

    credit_used: int = 0
    credit_granted: int = 0
    due: int = 0
    carried_out: int = 0
    waived: int = 0
    credits_used: Sequence[tuple[UUID, int]] = ()


def settle(rest: int, terms: Terms) -> Settlement:
    """Spend credit on the sum of the lines, and judge what is left by the minimum charge.

    :param rest: In minor units; where it is negative, it becomes credit.
    """
    if terms.below_minimum not in {"carry", "waive"}:
        raise ValueError("below_minimum")
    if rest < 0:
        return Settlement(credit_granted=-rest)
    spent = _spent(rest, terms.credits)
    used = sum(amount for _, amount in spent)
    due = rest - used
    if due >= terms.minimum:
        return Settlement(credit_used=used, due=due, credits_used=spent)
    carried = due if terms.below_minimum == "carry" else 0
    return Settlement(
        credit_used=used, carried_out=carried, waived=due - carried, credits_used=spent
    )


def _spent(rest: int, credits: Iterable[CreditFacts]) -> list[tuple[UUID, int]]:
    """Return how much of each credit goes into `rest`, the one that expires first before others."""
    spent = []
    for credit in sorted(credits, key=_by_expiry):
        if credit.remaining < 0:
            raise ValueError("credit")
        amount = min(credit.remaining, rest)
        rest -= amount
        if amount:
            spent.append((credit.id, amount))
    return spent


def _by_expiry(credit: CreditFacts) -> tuple[datetime, datetime, UUID]:
    return (credit.expires_at or _NEVER, credit.granted_at, credit.id)
