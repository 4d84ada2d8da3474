"""`flask billing events show`: one event from its beginning to its end."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click
from sqlalchemy import or_, select

from flask_billing import clock
from flask_billing.cli.conditions import when_on
from flask_billing.cli.events.choosing import uuid_of
from flask_billing.cli.events.listing import state_of
from flask_billing.cli.moments import written
from flask_billing.events.registry import names_for
from flask_billing.models import BillingEvent, BillingEventHandling
from flask_billing.state import current

__all__ = ["show"]


@click.command("show")
@click.argument("event_id", metavar="ID")
@when_on
def show(event_id: str) -> None:
    """Show one event as a timeline.

    ID is the event's id at Stripe (evt_…) or our own.
    """
    session = current().db.session
    by_id = or_(BillingEvent.stripe_id == event_id, BillingEvent.id == uuid_of(event_id))
    event = session.scalars(select(BillingEvent).where(by_id)).one_or_none()
    if event is None:
        raise click.ClickException(f"No event {event_id} has arrived.")
    handled = select(BillingEventHandling).where(BillingEventHandling.event_id == event.id)
    handling = list(session.scalars(handled.order_by(BillingEventHandling.done_at)))
    click.echo(f"{event.stripe_id}  {event.type}")
    for name, text in _facts(event):
        click.echo(f"  {name:<12} {text}")
    click.echo()
    for moment, text in _timeline(event, handling):
        click.echo(f"  {written(moment) if moment else ' ' * 20}  {text}")


def _facts(event: BillingEvent) -> Iterator[tuple[str, str]]:
    """Yield what is known of an event, as far as it is known."""
    facts = {
        "our id": str(event.id),
        "object": " ".join(part for part in (event.object_type, event.object_id) if part),
        "customer": event.customer_id,
        "account": event.account_id,
        "mode": "live" if event.livemode else "test",
        "API version": event.api_version,
        "caused by": event.idempotency_key and f"our request with the key {event.idempotency_key}",
    }
    yield from ((name, text) for name, text in facts.items() if text)


def _timeline(
    event: BillingEvent, handling: list[BillingEventHandling]
) -> Iterator[tuple[datetime | None, str]]:
    yield event.created_at, "happened at Stripe"
    yield event.received_at, "arrived here"
    for row in handling:
        yield row.done_at, f"handler {row.handler} done"
    yield _end(event)
    if event.state in {"pending", "failed"}:
        done = {row.handler for row in handling}
        waiting = [name for name in names_for(event.type) if name not in done]
        yield from ((None, f"handler {name} not done yet") for name in waiting)


def _end(event: BillingEvent) -> tuple[datetime | None, str]:
    """Return the last thing that happened, or what is to happen next."""
    if event.state != "pending":
        tries = f" at try {event.attempts}" if event.attempts else ""
        return event.ended_at, f"{state_of(event)}{tries}"
    next_try_at = event.next_try_at or event.received_at
    if event.claimed_by is not None and next_try_at > clock.now():
        return next_try_at, f"a worker has until then, for try {event.attempts}"
    if event.claimed_by is not None:
        return next_try_at, f"the worker at try {event.attempts} never came back; due again"
    due = "due" if next_try_at <= clock.now() else "next try"
    return next_try_at, f"{due}: {state_of(event)}"
