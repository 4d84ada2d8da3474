"""Which discount fits a line best, and from when to when."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from flask_billing.periods import Span
from flask_billing.pricing.facts import DiscountFacts, RateFacts, in_utc

__all__ = ["LineDiscounts", "Window", "project_percent"]

_NOTHING = Decimal(0)
_SPECIFIC = {"resource": 0, "rate": 1, "group": 2}


class Window(NamedTuple):
    """A part of the period in which the same discount, or none, fits a line best."""

    span: Span
    discount: DiscountFacts | None


class LineDiscounts:
    """The discounts that lines can have; the project's own are not among them."""

    def __init__(self, discounts: Sequence[DiscountFacts], period: Span) -> None:
        self._period = period
        # The best comes first: the most specific, then the highest, then the oldest.
        self._discounts = sorted(
            (discount for discount in discounts if discount.scope in _SPECIFIC),
            key=lambda found: (_SPECIFIC[found.scope], -found.percent, found.id),
        )

    def __bool__(self) -> bool:
        return bool(self._discounts)

    def fitting(self, rate: RateFacts, resource_type: str, resource_id: str) -> list[DiscountFacts]:
        """Return those that fit a line at some time, the best first."""
        targets = {"resource": resource_id, "rate": rate.name, "group": rate.group}
        return [
            discount
            for discount in self._discounts
            if discount.target == targets[discount.scope]
            and (discount.scope != "resource" or discount.resource_type == resource_type)
        ]

    def windows(self, rate: RateFacts, resource_type: str, resource_id: str) -> list[Window]:
        """Return the period, cut where another discount begins to fit a line best."""
        fitting = self.fitting(rate, resource_type, resource_id)
        moments = [in_utc(found.valid_from) for found in fitting]
        moments += [in_utc(found.valid_until) for found in fitting if found.valid_until]
        windows: list[Window] = []
        for span in self._period.cut(moments):
            discount = best(fitting, span)
            same = bool(windows) and windows[-1].discount is discount
            start = windows.pop().span.start if same else span.start
            windows.append(Window(Span(start, span.end), discount))
        return windows


def best(fitting: Sequence[DiscountFacts], span: Span) -> DiscountFacts | None:
    """Return the first that is valid at a moment of a span."""
    return next((found for found in fitting if _is_valid(found, span)), None)


def project_percent(discounts: Sequence[DiscountFacts], end: datetime) -> Decimal:
    """Return the highest percent off the whole project that is valid at the period's end."""
    valid = (
        found.percent
        for found in discounts
        if found.scope == "project"
        and found.valid_from < end
        and (found.valid_until is None or found.valid_until >= end)
    )
    return max(valid, default=_NOTHING)


def _is_valid(discount: DiscountFacts, span: Span) -> bool:
    start, until = discount.valid_from, discount.valid_until
    return start < span.end and (until is None or until > max(start, span.start))
