"""`flask billing events list`: one line for each event."""

from __future__ import annotations

from collections.abc import Iterable

import click
from sqlalchemy import func, select

from flask_billing.cli.conditions import when_on
from flask_billing.cli.events.choosing import Choice, choosing
from flask_billing.cli.moments import written
from flask_billing.models import BillingEvent
from flask_billing.state import current

__all__ = ["list_events", "print_table"]

COLOURS = {"failed": "red", "pending": "yellow"}


@click.command("list")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many at most, the newest first.",
)
@choosing
@when_on
def list_events(choice: Choice, limit: int) -> None:
    """List events, the newest first.

    ID is an event's id, or that of the object or customer that it is about.
    """
    session = current().db.session
    condition = choice.condition()
    total = session.scalar(select(func.count()).select_from(BillingEvent).where(condition)) or 0
    newest = (BillingEvent.received_at.desc(), BillingEvent.id.desc())
    query = select(BillingEvent).where(condition).order_by(*newest).limit(limit)
    found = list(session.scalars(query))
    if not found and choice.ids:
        raise click.ClickException("There is no such event.")
    if not found:
        click.echo("There is no such event." if choice else "No event has arrived yet.")
        return
    print_table(found)
    if total > len(found):
        click.echo(f"{len(found)} of {total}. --limit shows more.")


def print_table(found: Iterable[BillingEvent]) -> None:
    """Print when each event arrived, its id, what became of it, its type and its object."""
    cells = [
        (written(e.received_at), e.stripe_id, state_of(e), e.type, e.object_id or "") for e in found
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [text.ljust(width) for text, width in zip(row, widths, strict=True)]
        padded[2] = click.style(padded[2], fg=COLOURS.get(row[2].partition(" ")[0]))
        click.echo("  ".join(padded).rstrip())


def state_of(event: BillingEvent) -> str:
    """Return an event's state with what explains it."""
    if event.state == "ignored":
        return f"ignored ({event.reason})"
    tries = f", {event.attempts} tries" if event.attempts > 1 else ""
    error = ", ".join(part for part in (event.error_class, event.error_code) if part)
    if error:
        return f"{event.state} ({error}{tries})"
    return event.state
