"""`flask billing reconcile metering`: tells what does not run as it should."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from flask_billing import metering
from flask_billing.cli.conditions import when_on
from flask_billing.cli.noting import noted_of_project
from flask_billing.cli.signed import by_option
from flask_billing.metering import Drift

__all__ = ["counting", "reconcile_metering"]

_SENTENCES = {
    "missing": "{place} is used by project {project} and does not run.",
    "differing": "{place} runs at another rate or quantity, or for another project.",
    "unwanted": "{place} runs for project {project} and should not.",
    "orphaned": "{place} is metered or paused, and is gone.",
    "project_gone": "Project {project} is gone.",
    "project_back": "Project {project} has the key of one that is gone, and is not metered.",
    "unknown": "Records run for {place}, a table that no metered model of this app has.",
}


@click.command("metering")
@click.option("--mend", is_flag=True, help="Open and close records, now, where they differ.")
@click.option("--project", "project_key", metavar="KEY", help="Look at one project alone.")
@by_option
@when_on
def reconcile_metering(mend: bool, project_key: str | None, made_by: str | None) -> None:
    """Tell which records do not fit to the resources.

    Looks at every resource, every running record and every project: a host also writes and deletes
    by SQL. Ends with status 1 where a difference is left.
    """
    with (
        noted_of_project("mend_metering", project_key, made_by, dry_run=not mend),
        counting("looked at") as progress,
    ):
        done = metering.reconcile(
            project_key,
            mend=mend,
            tell=lambda drift: click.echo(_line(drift, mend=mend)),
            progress=progress,
        )
    looked = f"Looked at resources, records and projects ({done.looked})."
    if not done.mended and not done.left:
        click.echo(f"{looked} All runs as it should.")
    elif mend:
        click.echo(f"{looked} {done.mended} mended, {done.left} left.")
    else:
        click.echo(f"{looked} {done.left} differ. With --mend, records are opened and closed now.")
    if done.left:
        raise SystemExit(1)


@contextmanager
def counting(what: str) -> Iterator[Callable[[int], None]]:
    """Show how far long work is, where a person watches."""
    if not sys.stderr.isatty():
        yield lambda count: None
        return
    yield lambda count: click.echo(f"\r\x1b[2K{count} {what}", nl=False, err=True)
    click.echo("\r\x1b[2K", nl=False, err=True)


def _line(drift: Drift, *, mend: bool) -> str:
    if drift.mended:
        mark, colour = "mended", "green"
    else:
        mark, colour = ("left", "red") if mend else ("differs", "yellow")
    names = (drift.resource_type, drift.resource_id, drift.slot)
    place = " ".join(name for name in names if name is not None)
    said = _SENTENCES[drift.kind].format(place=place, project=drift.project_key)
    return f"{click.style(f'{mark:<8}', fg=colour)} {said}"
