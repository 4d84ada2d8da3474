"""Says what the running month costs so far, and where it is heading."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from flask_billing import clock
from flask_billing.invoicing import RunningMonth
from flask_billing.periods import month_of, name_of
from flask_billing.web import amounts
from flask_billing.web.presenters.chart import Chart, chart_of
from flask_billing.web.times import moment, period

__all__ = ["Month", "month_shown", "open_months"]


@dataclass(frozen=True)
class Month:
    """The running month in words.

    :ivar key: As in ``2026-10``.
    :ivar until: Up to when the usage is counted.
    :ivar has_ended: It is over, and closed soon.
    :ivar is_discounted: It costs less than its days in the chart, which are before discounts.
    """

    key: str
    name: str
    so_far: str
    heading_for: str
    until: str
    has_ended: bool
    is_discounted: bool
    chart: Chart


def month_shown(running: RunningMonth) -> Month:
    """Return what a page shows of a month that is not closed."""
    currency, priced = running.currency, running.priced
    used = sum((group.net for group in priced.groups if group.kind == "usage"), Decimal())
    so_far = amounts.about(priced.subtotal, used, currency)
    has_ended = running.period.end <= clock.now()
    heading = max(running.heading_for, priced.subtotal)
    return Month(
        key=name_of(running.period),
        name=period(month_of(running.period.start)),
        so_far=amounts.named(so_far, currency),
        heading_for=amounts.money(heading, currency) if used and not has_ended else "",
        until=moment(running.until),
        has_ended=has_ended,
        is_discounted=priced.gross != priced.subtotal,
        chart=chart_of(running.days, running.period, running.until, currency),
    )


def open_months(running: RunningMonth) -> list[tuple[str, str]]:
    """Return the months that have ended and are not closed, each as an address has it and named."""
    latest_first = reversed(running.open_months)
    return [(name_of(span), period(span)) for span in latest_first]
