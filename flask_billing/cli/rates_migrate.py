"""`flask billing rates migrate`: moves what is running to a newer version of its rate."""

from __future__ import annotations

from datetime import datetime

import click

from flask_billing import metering
from flask_billing.cli.conditions import when_on
from flask_billing.cli.moments import MOMENT, written
from flask_billing.cli.reconcile_metering import counting

__all__ = ["migrate"]


@click.command("migrate")
@click.option("--rate", "name", required=True, metavar="NAME", help="The rate, such as server.xl.")
@click.option("--at", type=MOMENT, required=True, help="The cut-off, such as 2026-10-01.")
@click.option("--dry-run", is_flag=True, help="Only say how many records would be moved.")
@when_on
def migrate(name: str, at: datetime, dry_run: bool) -> None:
    """Move running records to the price that holds at a cut-off.

    They would keep the older price for as long as they run. Each is ended at the cut-off, and goes
    on at the newer price from there. Repeat it when it was broken off. Ends with status 1 where a
    project is closed until after the cut-off, so that its records are left as they are.
    """
    with counting("records") as progress:
        try:
            done = metering.migrate(name, at=at, dry_run=dry_run, progress=progress)
        except ValueError as error:
            raise click.ClickException(str(error)) from None
    verb = "would move" if dry_run else "moved"
    click.echo(f"{done.moved} {verb} to what holds at {written(at)}.")
    if done.closed:
        raise click.ClickException(
            f"{done.closed} left: their projects are closed until after {written(at)}. Choose a "
            "later cut-off for them."
        )
