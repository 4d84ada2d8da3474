"""`flask billing events replay`: has events processed once more, or fetches them from Stripe."""

from __future__ import annotations

from dataclasses import asdict

import click
from sqlalchemy import select

from flask_billing import events
from flask_billing.cli.conditions import when_on
from flask_billing.cli.event_types import expanded, patterns
from flask_billing.cli.events.choosing import Choice, choosing
from flask_billing.cli.events.listing import print_table
from flask_billing.cli.noting import ALL, noted
from flask_billing.cli.signed import by_option, plain_refusals
from flask_billing.models import BillingEvent
from flask_billing.state import current

__all__ = ["replay"]


@click.command("replay")
@click.option("--limit", type=click.IntRange(min=1), help="How many at most, the oldest first.")
@click.option("--all", "everything", is_flag=True, help="Every event that was stored.")
@click.option("--again", is_flag=True, help="Run your handlers again that were done already.")
@click.option("--from-stripe", is_flag=True, help="Fetch events that never arrived instead.")
@click.option("--now", is_flag=True, help="Process here and now all that is due.")
@click.option("--dry-run", is_flag=True, help="Show which events are meant, and do nothing.")
@by_option
@choosing
@when_on
def replay(
    choice: Choice,
    limit: int | None,
    everything: bool,
    again: bool,
    from_stripe: bool,
    now: bool,
    dry_run: bool,
    made_by: str | None,
) -> None:
    """Have events processed once more.

    ID is an event's id, or that of the object or customer that it is about. Handlers that were done
    stay done unless --again is given. --from-stripe fetches what Stripe still keeps (30 days) and
    stores what never arrived; --since and --type say which.
    """
    if from_stripe:
        if limit or everything or again or dry_run or choice != _fetchable(choice):
            raise click.UsageError("With --from-stripe go --since, --type and --now only.")
        _fetch(choice, made_by)
    elif not choice and not everything:
        raise click.UsageError("Say which events, by id, --state, --type or age; or --all.")
    else:
        _repeat(choice, limit=limit, again=again, dry_run=dry_run, made_by=made_by)
    if now and not dry_run:
        _process()
    elif not dry_run:
        click.echo("'flask billing run' processes what waits.")


def _fetchable(choice: Choice) -> Choice:
    return Choice(types=choice.types, since=choice.since)


def _fetch(choice: Choice, made_by: str | None) -> None:
    types = expanded(choice.types or patterns())
    if choice.types and types.unknown:
        raise click.BadParameter(f"There is no event type {types.unknown[0]}.", param_hint="--type")
    with noted("fetch_events", "event", ALL, made_by):
        seen, new = events.feed_in(choice.since, types.names)
    click.echo(f"Stripe keeps {seen} such events. New here, and waiting: {new}.")


def _repeat(
    choice: Choice, *, limit: int | None, again: bool, dry_run: bool, made_by: str | None
) -> None:
    session = current().db.session
    meant = select(BillingEvent).where(choice.condition()).limit(limit)
    oldest = meant.order_by(BillingEvent.received_at, BillingEvent.id)
    if dry_run:
        shown = list(session.scalars(oldest))
        print_table(shown)
        click.echo(f"Would be repeated: {len(shown)}.")
        return
    found = session.execute(oldest.with_only_columns(BillingEvent.id, BillingEvent.stripe_id)).all()
    ids = [event_id for event_id, _ in found]
    if not ids:
        raise click.ClickException("There is no such event.")
    name = found[0].stripe_id if len(ids) == 1 else f"{len(ids)} of them"
    with plain_refusals(), noted("repeat_event", "event", name, made_by):
        count = events.replay(ids, again=again)
    click.echo(f"Waiting to be processed once more: {count}.")
    if count < len(ids):
        click.echo(f"Left to the workers that are at work on them: {len(ids) - count}.")


def _process() -> None:
    report = events.process()
    click.echo(", ".join(f"{count} {name}" for name, count in asdict(report).items()) + ".")
    if report.failed or report.retried:
        raise SystemExit(1)
