"""The end of a month at the press of a button: for visitors of the demo, who can't wait for it."""

from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import NamedTuple
from uuid import UUID

from flask import Blueprint, abort, current_app, flash, redirect, render_template, url_for
from sqlalchemy import func, select

from example_app import demo_clock
from example_app.auth import Page, current_user, require_user, sign_in_required
from example_app.extensions import db
from example_app.forms import ConfirmForm
from example_app.models import Project, now
from flask_billing import Invoice, collecting, invoicing
from flask_billing.collecting import CollectReport
from flask_billing.money import exponent, to_major_units
from flask_billing.periods import month_of

blueprint = Blueprint("month_end", __name__, url_prefix="/demo/month-end")

#: A month waits an hour for events that come late, before it is closed.
AFTERWARDS = timedelta(hours=2)

#: What became of invoices, in the words of the page.
OUTCOMES = {
    "paid": "paid",
    "failed": "declined",
    "waiting": "on their way",
    "needs_owner": "waiting for their owner",
    "parked": "waiting for staff",
    "errors": "put off",
}
STATES = {
    "closed": "not issued yet",
    "open": "to be paid",
    "paid": "paid",
    "void": "void",
    "uncollectible": "written off",
}
#: What an invoice that is to be paid waits for, where only its owner can give it.
NEEDS = {
    "confirmation": "to be confirmed to the bank",
    "payment_method": "needs a payment method",
    "address": "needs an address",
}


class Latest(NamedTuple):
    """The last invoice of a project, in words."""

    project: str
    project_id: int
    invoice_id: UUID
    month: str
    amount: str
    state: str


def is_for_them() -> bool:
    """Return whether this is a demo, and the person may move its clock."""
    user = current_user()
    if user is None or not current_app.config.get("DEMO_CLOCK"):
        return False
    return user.is_staff or any(membership.is_owner for membership in user.memberships)


@blueprint.get("")
@sign_in_required
def show() -> Page:
    """Show what time it is, and the last invoice of each project."""
    _require_permission()
    return render_template("month_end.html", now=now(), latest=_latest(), form=ConfirmForm())


@blueprint.post("")
@sign_in_required
def go_on() -> Page:
    """Move the clock to the end of the month, and let happen what happens then."""
    _require_permission()
    db.session.rollback()
    paid = _paid()
    with demo_clock.at(month_of(now()).end + AFTERWARDS):
        closed = invoicing.close()
        collected = collecting.collect()
        # Only now: the worker of the demo would be at the same invoices, and the page too early.
        demo_clock.keep(now())
    # Where an event of Stripe's was faster than collecting, that counts the invoice as busy.
    counts = _counts(replace(collected, paid=_paid() - paid))
    ends = [f"{count} {OUTCOMES[name]}" for name, count in counts]
    flash(f"It is {_day(now())}. Months closed: {closed.closed}.", "success")
    flash(f"Invoices collected: {', '.join(ends) or 'none'}.", "success")
    return redirect(url_for("month_end.show"), 303)


def _require_permission() -> None:
    if not current_app.config.get("DEMO_CLOCK"):
        abort(404)
    if not is_for_them():
        abort(403, "Only owners of a project and staff can move the clock.")


def _paid() -> int:
    query = select(func.count()).select_from(Invoice).where(Invoice.state == "paid")
    return db.session.scalar(query) or 0


def _counts(report: CollectReport) -> Iterator[tuple[str, int]]:
    counts = asdict(report)
    return ((name, counts[name]) for name in OUTCOMES if counts[name])


def _latest() -> list[Latest]:
    """Return the last invoice of each project that the person belongs to."""
    found = []
    for membership in require_user().memberships:
        invoices = invoicing.invoices_of(str(membership.project_id), limit=1)
        found += [_told(membership.project, invoice) for invoice in invoices]
    return sorted(found)


def _told(project: Project, invoice: Invoice) -> Latest:
    decimals = exponent(invoice.currency)
    amount = f"{to_major_units(invoice.due, invoice.currency):.{decimals}f}"
    return Latest(
        project.name,
        project.id,
        invoice.id,
        f"{invoice.period_start:%B %Y}",
        f"{amount} {invoice.currency.upper()}",
        _state(invoice),
    )


def _state(invoice: Invoice) -> str:
    if not invoice.due:
        return "nothing to pay"
    collection = invoice.collection
    if collection is not None and invoice.state in ("closed", "open"):
        if collection.state == "past_due":
            return "past due"
        if collection.state == "waiting" and collection.needs in NEEDS:
            return NEEDS[collection.needs]
    return STATES.get(invoice.state, invoice.state)


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%B %Y}"
