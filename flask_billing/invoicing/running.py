"""The month that is under way: what it costs so far, by the rules that will close it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import select

from flask_billing import clock, projects
from flask_billing.invoicing import due
from flask_billing.invoicing.batch import priced
from flask_billing.invoicing.due import OpenProject
from flask_billing.invoicing.loading import Facts, Rates, load
from flask_billing.models import BilledProjectRow, table_of
from flask_billing.periods import Span, month_of
from flask_billing.pricing import Priced, by_day, heading_for
from flask_billing.state import current

__all__ = ["RunningMonth", "running"]


@dataclass(frozen=True, kw_only=True)
class RunningMonth:
    """What a project owes for a month that is not closed, if it ended now.

    :ivar period: Up to the month's end, or the project's.
    :ivar until: Up to when usage is counted.
    :ivar priced: What an invoice would say.
    :ivar heading_for: What the subtotal may come to at the period's end, in minor units.
    :ivar days: What each day cost so far, before discounts, in major units.
    :ivar open_months: Periods before it that have ended and are not closed yet. What they carry
        over, and what credit they use, is not known before they are.
    """

    period: Span
    until: datetime
    priced: Priced
    heading_for: int
    days: list[tuple[date, Decimal]]
    currency: str
    open_months: list[Span]


def running(
    project_key: str, at: datetime | None = None, *, month: Span | None = None
) -> RunningMonth:
    """Return what a project owes so far for a month that is not closed; writes nothing.

    :param at: Up to when, by default now.
    :param month: By default the one that holds `at`; may be one that has ended and is not closed.
    """
    at = clock.now() if at is None else at
    month = month_of(at) if month is None else month
    project, open_months = _open(project_key, month, at)
    facts = load(projects.connection(current().db.session), [project], Rates())[0]
    so_far = _without_later_days(facts.so_far(at), at)
    return RunningMonth(
        period=project.period,
        until=so_far.terms.period.end,
        priced=priced(so_far),
        heading_for=_heading_for(facts, so_far),
        days=by_day(so_far.terms, so_far.records, so_far.totals),
        currency=project.currency,
        open_months=open_months,
    )


def _open(project_key: str, month: Span, at: datetime) -> tuple[OpenProject, list[Span]]:
    """Return the part of a month that is not closed, and the open periods before it."""
    row = table_of(BilledProjectRow).c
    query = select(*due.columns(), row.created_at).where(row.project_key == project_key)
    found = projects.connection(current().db.session).execute(query).one_or_none()
    if found is None:
        # It begins with its first resource or event, so there is nothing before this month.
        start = max(month_of(at).start, month.start)
        period = Span(start, max(start, month.end))
        return OpenProject(project_key, period, current().settings.currency, False, 0, None), []
    closed_until = found.closed_until or found.created_at
    ended_at = found.ended_at or month.end
    start = max(closed_until, month.start)
    period = Span(start, max(start, min(ended_at, month.end)))
    earlier = due.unclosed(closed_until, found.ended_at, min(at, month.start))
    return due.of_row(found)._replace(period=period, is_last=period.end == found.ended_at), list(
        earlier
    )


def _without_later_days(facts: Facts, at: datetime) -> Facts:
    """Leave out the usage of later days: a moment in the past may be asked about."""
    return facts._replace(totals=[total for total in facts.totals if total.day <= at.date()])


def _heading_for(facts: Facts, so_far: Facts) -> int:
    if facts.terms.period == so_far.terms.period:
        return priced(so_far).subtotal
    return heading_for(facts.terms, facts.records, so_far.totals, so_far.terms.period.end)
