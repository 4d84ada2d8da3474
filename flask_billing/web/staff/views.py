"""The pages of the processor's events for staff: all, one, and its repetition."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from flask import abort, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from flask_billing import auditing, events
from flask_billing.errors import BillingError
from flask_billing.events.registry import names_for
from flask_billing.models import BillingEventHandling
from flask_billing.state import current
from flask_billing.web.access import actor_id
from flask_billing.web.forms import ActionForm
from flask_billing.web.i18n import gettext
from flask_billing.web.staff import listing, presenting
from flask_billing.web.staff.filters import AGES, STATES, Filters
from flask_billing.web.times import distance, moment
from flask_billing.web.webhook import wake

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from flask_billing.models import BillingEvent

__all__ = ["ROUTES"]


def index() -> BaseResponse:
    """Lead to what there is for staff: the money first."""
    return redirect(url_for("billing.staff_invoices"))


def list_events() -> str:
    """Show what is stuck, how many events are in each state, and those that are looked for."""
    filters = Filters.from_args(request.args)
    page = listing.page_of(
        filters, newer=request.args.get("newer", ""), older=request.args.get("older", "")
    )
    counted = listing.counts()
    return render_template(
        "billing/staff/events.html",
        groups=presenting.groups(counted),
        tallies=presenting.tallies(counted),
        filters=filters,
        states=STATES,
        ages=AGES,
        rows=[presenting.row(event) for event in page.rows],
        page=page,
        moment=moment,
        distance=distance,
    )


def show_event(event_id: str) -> str:
    """Show what happened to one event."""
    event = _event(event_id)
    row = presenting.row(event)
    handlers = presenting.handlers(names_for(event.type), _done(event))
    return render_template(
        "billing/staff/event.html",
        form=ActionForm(),
        row=row,
        steps=list(presenting.steps(row, handlers)),
        handlers=handlers,
        moment=moment,
        distance=distance,
    )


def repeat_event(event_id: str) -> BaseResponse:
    """Have an event processed once more."""
    key = _event(event_id).id
    ActionForm().check()
    try:
        with auditing.noted("repeat_event", "event", event_id, way="web", made_by=actor_id()):
            _repeat(key)
        flash(gettext("The event is processed once more in a moment."), "success")
    except _AtWorkError:
        flash(gettext("A worker is at work on this event right now. Look again soon."), "warning")
    response = make_response(redirect(url_for("billing.staff_event", event_id=event_id), 303))
    wake(response)
    return response


class _AtWorkError(BillingError):
    """A worker has the event, so it can't be repeated now."""


def _repeat(key: UUID) -> None:
    try:
        is_repeated = bool(events.replay([key]))
    except OperationalError:
        # A handler hangs, and on MariaDB its note locks the event until the wait is given up.
        current().db.session.rollback()
        is_repeated = False
    if not is_repeated:
        raise _AtWorkError


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("", "staff", index, ["GET"]),
    ("/events", "staff_events", list_events, ["GET"]),
    ("/events/<event_id>", "staff_event", show_event, ["GET"]),
    ("/events/<event_id>", "staff_repeat", repeat_event, ["POST"]),
)


def _event(event_id: str) -> BillingEvent:
    event = listing.find(event_id)
    if event is None:
        abort(404)
    return event


def _done(event: BillingEvent) -> dict[str, datetime]:
    """Return when which of the host's handlers dealt with an event."""
    handling = BillingEventHandling
    query = select(handling.handler, handling.done_at).where(handling.event_id == event.id)
    return dict(current().db.session.execute(query).all())
