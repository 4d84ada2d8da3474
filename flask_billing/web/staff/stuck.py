"""Gathers what of the money is stuck, since when, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from flask import url_for
from sqlalchemy import and_, case, func, or_, select

from flask_billing import clock, collecting, heartbeats, projects, refunding
from flask_billing.collecting import Stuck
from flask_billing.models import Notification, table_of
from flask_billing.state import current
from flask_billing.web.amounts import quantity
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.staff import listing, words
from flask_billing.web.staff.groups import Item, MoneyGroup
from flask_billing.web.staff.situations import STUCK
from flask_billing.web.staff.standings import STANDINGS
from flask_billing.web.staff.unfinished import Unfinished, groups_of_unfinished

__all__ = ["groups_of", "notifications_stuck", "silent_since", "stuck_of_money"]

#: How many of a group are named one by one.
_NAMED = 5
#: Longer than every back-off of a notification but the longest ones.
_UNDELIVERED = timedelta(hours=1)
#: For how long a notification that did not arrive is named.
_NAMED_FOR = timedelta(days=7)

#: How each kind is to be taken, what it is called, what to do, what to type (for one invoice where
#: that needs its id); the worst first.
_KINDS = {
    "parked": (
        "bad",
        N_("Parked invoices"),
        N_("Nothing is charged. Look at each: its page says why, and what can be done."),
        "flask billing unpark {id}",
    ),
    "attempt": (
        "bad",
        N_("Tries that nobody knows the outcome of"),
        N_("Collecting settles them. If one stays, look at its invoice at Stripe."),
        "flask billing collect",
    ),
    "late": (
        "bad",
        N_("Invoices that nobody looked at"),
        N_("They are due for over an hour. See that a worker runs."),
        "flask billing run",
    ),
    "refund": (
        "bad",
        N_("Refunds that failed or take long"),
        N_("A worker settles those without an answer. Give back another way what failed."),
        "flask billing run --once",
    ),
    "past_due": (
        "note",
        N_("Past due invoices"),
        N_("Every planned try failed. Decide: try again, write off or make void."),
        "flask billing retry {id}",
    ),
    "processing": (
        "note",
        N_("Payments that a bank takes long for"),
        N_("Ask the bank, or look at them at Stripe."),
        "flask billing check",
    ),
    "address": (
        "note",
        N_("Invoices that lack an address"),
        N_("Tax can't be worked out without it. Ask their owners for it."),
        "flask billing check",
    ),
}
#: Where the list has all of a kind.
_LISTED = {"parked": "parked", "past_due": "past_due", "processing": "processing"}


def stuck_of_money() -> dict[str, list[Stuck]]:
    """Return some of what collecting and refunding call stuck, by its kind, the oldest first."""
    found: dict[str, list[Stuck]] = {}
    for each in (*collecting.stuck(limit=_NAMED), *refunding.stuck(limit=_NAMED)):
        found.setdefault(each.kind, []).append(each)
    return found


def groups_of(stuck: dict[str, list[Stuck]], waiting: Unfinished) -> list[MoneyGroup]:
    """Return everything that somebody has to look at, the worst first."""
    found = [*_of_workers(), *_of_events(), *groups_of_unfinished(waiting)]
    found += [_of_kind(kind, stuck[kind]) for kind in _KINDS if kind in stuck]
    found += _of_notifications()
    return sorted(found, key=lambda group: group.tone != "bad")


def silent_since() -> tuple[bool, datetime | None]:
    """Return whether no process is at work, and when one was last seen."""
    last = heartbeats.last_seen()
    return not heartbeats.at_work(), None if last is None else last.seen_at


def notifications_stuck() -> dict[str, tuple[int, datetime]]:
    """Return how many notifications are `late`, `failed` or `unknown`, and since when."""
    note, now = table_of(Notification).c, clock.now()
    late = and_(note.state.in_(("pending", "sending")), note.created_at < now - _UNDELIVERED)
    gone = and_(note.state.in_(("failed", "unknown")), note.ended_at > now - _NAMED_FOR)
    kind = case((late, "late"), else_=note.state).label("kind")
    some = (
        select(kind, note.created_at)
        .where(note.livemode == current().settings.livemode, or_(late, gone))
        .limit(listing.COUNTED)
        .subquery()
    )
    query = select(some.c.kind, func.count(), func.min(some.c.created_at)).group_by(some.c.kind)
    return {name: (number, since) for name, number, since in projects.connection().execute(query)}


def _of_kind(kind: str, stuck: Sequence[Stuck]) -> MoneyGroup:
    tone, name, advice, command = _KINDS[kind]
    of_one = "{id}" in command
    listed = _LISTED.get(kind)
    count = stuck[0].alike
    rest = count - len(stuck)
    return MoneyGroup(
        kind=kind,
        tone=tone,
        name=gettext(name),
        number=quantity(count),
        since=stuck[0].since,
        advice=gettext(advice),
        command="" if of_one else command,
        address=url_for("billing.staff_invoices", state=listed) if listed else None,
        items=tuple(_item(kind, each, command if of_one else "") for each in stuck),
        more=gettext("and %(number)s more", number=quantity(rest)) if rest else "",
    )


def _item(kind: str, each: Stuck, command: str) -> Item:
    return Item(
        address=url_for("billing.staff_invoice", invoice_id=each.invoice_id),
        project_key=each.project_key,
        invoice_id=str(each.invoice_id),
        why=_why(kind, each.state),
        since=each.since,
        command=command.format(id=each.invoice_id),
    )


def _why(kind: str, state: str) -> str:
    """Return in words what the name of the kind does not say."""
    if kind == "parked":
        return words.of_parking(state) or state
    if kind == "attempt":
        return words.of_try(state)[1]
    if kind == "refund":
        return words.of_refund(state)[1]
    return gettext(STANDINGS[state][2]) if kind == "late" and state in STANDINGS else ""


def _of_workers() -> Iterator[MoneyGroup]:
    is_silent, since = silent_since()
    if is_silent:
        yield MoneyGroup(
            kind="workers",
            tone="bad",
            name=gettext("No worker is at work"),
            number="",
            since=since,
            advice=gettext("Nothing is issued, charged or sent. See that one always runs."),
            command="flask billing run",
        )


def _of_events() -> Iterator[MoneyGroup]:
    counted = listing.counts()
    stuck = [counted[state] for state in STUCK if counted[state].since is not None]
    if stuck:
        yield MoneyGroup(
            kind="events",
            tone="bad",
            name=gettext("Events that are stuck"),
            number=quantity(sum(count.number for count in stuck)),
            since=min(count.since for count in stuck if count.since is not None),
            advice=gettext("What Stripe told may not be written here. Look at them."),
            command="flask billing events list --state failed",
            address=url_for("billing.staff_events"),
        )


def _of_notifications() -> Iterator[MoneyGroup]:
    names = {
        "late": N_("Notifications that wait for over an hour"),
        "failed": N_("Notifications that could not be delivered"),
        "unknown": N_("Notifications that nobody knows of whether they arrived"),
    }
    advice = {
        "late": N_("See that a worker runs and that mail can be sent."),
        "failed": N_("They are not sent again. The pages of their invoices say to whom."),
        "unknown": N_("They are not sent again, so that nobody gets one twice."),
    }
    for kind, (number, since) in sorted(notifications_stuck().items()):
        yield MoneyGroup(
            kind=f"notifications_{kind}",
            tone="note",
            name=gettext(names[kind]),
            number=quantity(number),
            since=since,
            advice=gettext(advice[kind]),
            command="flask billing check",
        )
