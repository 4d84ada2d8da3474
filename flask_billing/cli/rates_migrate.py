"""`flask billing rates migrate`: moves what is running to a newer version of its rate."""

from __future__ import annotations

from datetime import datetime

import click

from flask_billing import metering
from flask_billing.cli.conditions import when_on
from flask_billing.cli.moments import MOMENT, written
from flask_billing.cli.noting import noted
from flask_billing.cli.reconcile_metering import counting
from flask_billing.cli.signed import by_option, plain_refusals
from flask_billing.errors import UnknownRate
from flask_billing.state import current

__all__ = ["migrate"]


@click.command("migrate")
@click.option("--rate", "name", required=True, metavar="NAME", help="The rate, such as server.xl.")
@click.option("--at", type=MOMENT, required=True, help="The cut-off, such as 2026-10-01.")
@click.option("--dry-run", is_flag=True, help="Only say how many records would be moved.")
@by_option
@when_on
def migrate(name: str, at: datetime, dry_run: bool, made_by: str | None) -> None:
    """Move running records to the price that holds at a cut-off.

    They would keep the older price for as long as they run. Each is ended at the cut-off, and goes
    on at the newer price from there. Repeat it when it was broken off. Ends with status 1 where a
    project is closed until after the cut-off, so that its records are left as they are.
    """
    if not current().settings.rates.currencies(name):
        raise UnknownRate(f"There is no rate {name}.")
    with (
        plain_refusals(),
        noted("migrate_rate", "rate", name, made_by, dry_run=dry_run),
        counting("records") as progress,
    ):
        done = metering.migrate(name, at=at, dry_run=dry_run, progress=progress)
    verb = "would move" if dry_run else "moved"
    click.echo(f"{done.moved} {verb} to what holds at {written(at)}.")
    if done.closed:
        raise click.ClickException(
            f"{done.closed} left: their projects are closed until after {written(at)}. Choose a "
            "later cut-off for them."
        )
