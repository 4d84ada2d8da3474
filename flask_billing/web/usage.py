"""The usage page: what a month costs so far, and the same as a file."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any

from flask import abort, make_response, redirect, render_template, request, url_for
from sqlalchemy import select

from flask_billing import alerts, clock, invoicing, projects
from flask_billing.models import Invoice
from flask_billing.periods import Span, month_named, month_of, name_of
from flask_billing.state import current
from flask_billing.web import downloads, presenters
from flask_billing.web.access import project_of

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

__all__ = ["ROUTES"]

#: How many resources a page shows, and how many earlier months.
_RESOURCES = 50
_MONTHS = 12


def usage(project_id: Any) -> str | Response | BaseResponse:
    """Show what a month costs so far, where it is heading, and what it is made of.

    The month is told as in ``?month=2026-10``; by default it is the running one. One that was
    closed has an invoice instead.
    """
    project = project_of(project_id)
    key, month = projects.key_of(project), _month()
    page = _page_number()
    running = presenters.running_of(key, month)
    if running is None:
        unpriced = "billing/unpriced.html"
        return make_response(render_template(unpriced, project=project, project_id=project_id), 503)
    if not _is_open(running, month):
        return redirect(_invoice_address("billing.invoice", project_id, key, month), 303)
    priced = running.priced
    resources, count = presenters.by_resource(
        priced.lines, project, running.currency, page=page, size=_RESOURCES
    )
    if page > 1 and not resources:
        abort(404)
    earlier = invoicing.invoices_of(key, limit=_MONTHS)
    sections = presenters.sections_of(priced.groups, running.currency)
    counted = Span(running.period.start, running.until)
    return render_template(
        "billing/usage.html",
        project=project,
        project_id=project_id,
        currency=running.currency.upper(),
        month=presenters.month_shown(running),
        sections=sections,
        cap_note=presenters.cap_note((section.minutes for section in sections), counted),
        sum_rows=presenters.sums_of(priced, priced.groups, running.currency, is_final=False),
        resources=resources,
        resource_count=count,
        page=page,
        page_count=-(-count // _RESOURCES),
        alerts=presenters.alerts_shown(alerts.alerts_of(key)),
        open_months=presenters.open_months(running),
        invoices=presenters.invoices_shown(i for i in earlier if i.state != "void"),
    )


def usage_csv(project_id: Any) -> Response | BaseResponse:
    """Send the lines of a month that is not closed, as it is now; of a closed one as it was."""
    project = project_of(project_id)
    key, month = projects.key_of(project), _month()
    running = presenters.running_of(key, month)
    if running is None:
        abort(503)
    if not _is_open(running, month):
        return redirect(_invoice_address("billing.invoice_csv", project_id, key, month), 303)
    lines = iter(running.priced.lines)
    batches = iter(lambda: list(islice(lines, downloads.BATCH)), [])
    return downloads.send(batches, f"usage-{name_of(month)}", running.currency, "not final")


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("/usage", "usage", usage, ["GET"]),
    ("/usage.csv", "usage_csv", usage_csv, ["GET"]),
)


def _month() -> Span:
    running = month_of(clock.now())
    name = request.args.get("month")
    if not name:
        return running
    try:
        month = month_named(name)
    except ValueError:
        abort(404)
    if month.start > running.start:
        abort(404)
    return month


def _is_open(running: invoicing.RunningMonth, month: Span) -> bool:
    """Return whether a month is under way, or has ended and is not closed."""
    return month == month_of(clock.now()) or not running.period.is_empty


def _invoice_address(endpoint: str, project_id: Any, project_key: str, month: Span) -> str:
    """Return what shows a month that was closed; of a month without an invoice nothing does."""
    query = select(Invoice.id).where(
        Invoice.project_key == project_key,
        Invoice.period_start >= month.start,
        Invoice.period_start < month.end,
        Invoice.live_marker == 1,
    )
    found = current().db.session.scalars(query.order_by(Invoice.period_start.desc())).first()
    if found is None:
        abort(404)
    return url_for(endpoint, project_id=project_id, invoice_id=found)


def _page_number() -> int:
    text = request.args.get("page", "1")
    if not text.isascii() or not text.isdecimal() or not 1 <= len(text) <= 6 or int(text) < 1:
        abort(404)
    return int(text)
