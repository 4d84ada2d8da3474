"""`flask billing events ...`: shows what Stripe told and what became of it, and repeats it."""

from __future__ import annotations

import click

from flask_billing.cli.events.listing import list_events
from flask_billing.cli.events.replaying import replay
from flask_billing.cli.events.showing import show

__all__ = ["events"]


@click.group("events")
def events() -> None:
    """Show and repeat what Stripe told."""


for command in (list_events, show, replay):
    events.add_command(command)
