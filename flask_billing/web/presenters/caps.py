"""Says where a month is charged for less time than it has: so that every month costs the same."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import NamedTuple

from flask_billing.models import InvoiceLine
from flask_billing.periods import Span
from flask_billing.pricing import Line
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import gettext

__all__ = ["Slot", "cap_note", "capped_slots", "slot_of"]

_MINUTES_OF_A_DAY = 24 * 60


class Slot(NamedTuple):
    """What the minutes of lines are counted of."""

    resource_type: str | None
    resource_id: str | None
    name: str | None


def slot_of(line: Line | InvoiceLine) -> Slot:
    """Return what the minutes of a line are counted of."""
    return Slot(line.resource_type, line.resource_id, line.slot)


def capped_slots(lines: Iterable[Line | InvoiceLine]) -> set[Slot]:
    """Return the slots that were used for longer than lines are for: for the most of a month."""
    most = current().settings.monthly_cap_minutes
    counted: defaultdict[Slot, int] = defaultdict(int)
    used: defaultdict[Slot, timedelta] = defaultdict(timedelta)
    for line in lines:
        if line.minutes is not None and line.started_at and line.ended_at:
            counted[slot_of(line)] += line.minutes
            used[slot_of(line)] += line.ended_at - line.started_at
    return {
        slot
        for slot, minutes in counted.items()
        if minutes == most and used[slot] > timedelta(minutes=minutes)
    }


def cap_note(minutes: Iterable[Decimal], period: Span) -> str:
    """Return what the most of a month is; nothing where a period can't have had more.

    :param minutes: What was used in the period, of all that is counted in minutes.
    """
    most = current().settings.monthly_cap_minutes
    if most is None or sum(minutes) < most or period.length <= timedelta(minutes=most):
        return ""
    return gettext(
        "A month counts %(days)s days (%(minutes)s min) at most, so that every month costs the "
        "same.",
        days=amounts.quantity(Decimal(most) / _MINUTES_OF_A_DAY),
        minutes=amounts.quantity(most),
    )
