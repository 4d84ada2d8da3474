"""What was billed in each month and currency, summed up for finance."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, case, func, select

from flask_billing import clock
from flask_billing.models import BilledProjectRow, Invoice, InvoiceCollection
from flask_billing.periods import Span, month_of, name_of
from flask_billing.state import current

__all__ = ["MonthReport", "months_with_invoices", "report", "unclosed_count"]

#: Nothing is asked for any more, whatever the processor's row says is left.
_OVER = ("paid", "uncollectible")


@dataclass(frozen=True, kw_only=True)
class MonthReport:
    """The invoices of one month and currency that are not void; amounts in minor units.

    ``billed + carried_in + credit_granted`` is ``credited + carried + waived + due``.
    """

    month: str
    currency: str
    invoices: int
    #: Usage after discounts, late usage and adjustments.
    billed: int
    #: What earlier months were too small to charge.
    carried_in: int
    #: What became credit because a sum was negative.
    credit_granted: int
    #: What credit paid.
    credited: int
    #: What was too small to charge and went to the next month.
    carried: int
    #: What was too small to charge and was let go.
    waived: int
    #: What was to be paid when they were closed, before tax.
    due: int
    #: What is still to be paid now; with tax once an invoice is issued.
    open: int


def months_with_invoices() -> list[Span]:
    """Return the months from the first invoice's to the last one's."""
    session = current().db.session
    ends = select(func.min(Invoice.period_start), func.max(Invoice.period_start))
    found = session.execute(ends).one()
    return between(*found) if all(found) else []


def between(first: datetime, last: datetime) -> list[Span]:
    """Return the months from that of one moment to that of another."""
    found = []
    month = month_of(first)
    while month.start <= last:
        found.append(month)
        month = month_of(month.end)
    return found


def report(months: Iterable[Span]) -> Iterator[list[MonthReport]]:
    """Yield what was billed in each of `months`, one row for each currency."""
    for month in months:
        yield list(_of_month(month))


def unclosed_count(until: datetime | None = None) -> int:
    """Return how many projects have a month that has ended, by now at the latest, and isn't closed.

    :param until: The end of the months that are asked about.
    """
    now = clock.now()
    end = month_of(now).start if until is None else min(until, month_of(now).start)
    waiting = (
        select(func.count())
        .select_from(BilledProjectRow)
        .where(
            BilledProjectRow.closed_until < end,
            BilledProjectRow.ended_at.is_(None)
            | (BilledProjectRow.ended_at > BilledProjectRow.closed_until),
        )
    )
    return current().db.session.scalar(waiting) or 0


def _of_month(month: Span) -> Iterator[MonthReport]:
    columns = {
        "billed": Invoice.subtotal + Invoice.adjusted,
        "carried_in": Invoice.carried_in,
        "credit_granted": Invoice.credit_granted,
        "credited": Invoice.credit_used,
        "carried": Invoice.carried_out,
        "waived": Invoice.waived,
        "due": Invoice.due,
        "open": _still_to_pay(),
    }
    query = (
        select(Invoice.currency, func.count(), *map(func.sum, columns.values()))
        .outerjoin(Invoice.collection)
        .where(
            Invoice.period_start >= month.start,
            Invoice.period_start < month.end,
            Invoice.live_marker == 1,
        )
        .group_by(Invoice.currency)
        .order_by(Invoice.currency)
    )
    for currency, count, *sums in current().db.session.execute(query):
        amounts = dict(zip(columns, map(int, sums), strict=True))
        yield MonthReport(month=name_of(month), currency=currency, invoices=count, **amounts)


def _still_to_pay() -> ColumnElement[int]:
    left = func.coalesce(InvoiceCollection.remaining, Invoice.due)
    return case((Invoice.state.in_(_OVER), 0), else_=left)
