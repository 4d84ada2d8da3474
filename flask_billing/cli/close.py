"""`flask billing close`: makes invoices of the months that have ended."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import click

from flask_billing import invoicing, projects
from flask_billing.cli.amounts import amount_of
from flask_billing.cli.conditions import when_on
from flask_billing.cli.moments import MONTH
from flask_billing.cli.noting import noted_of_project
from flask_billing.cli.signed import by_option
from flask_billing.cli.stopping import stop_signals
from flask_billing.cli.tables import print_rows
from flask_billing.invoicing import PARKED_BECAUSE, CloseReport, Preview
from flask_billing.periods import Span, name_of

__all__ = ["close", "said"]


@click.command("close")
@click.option(
    "--period", type=MONTH, metavar="MONTH", help="Close up to this month, such as 2026-10."
)
@click.option("--project", metavar="KEY", help="Close this project alone.")
@click.option("--accept", is_flag=True, help="Close what is parked too: somebody has looked at it.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be closed.")
@by_option
@when_on
def close(
    period: Span | None, project: str | None, accept: bool, dry_run: bool, made_by: str | None
) -> None:
    """Make invoices of the months that have ended.

    Closes every month that has ended and is not closed, of each project in order. Any number of
    these may run at once, and one that is broken off is simply started again. With --period and
    --project, an invoice of that month that is void is issued anew. Ends with status 1 where a
    project is parked.
    """
    if dry_run:
        _preview(invoicing.preview(period, project, accept=accept))
        return
    done = CloseReport()
    with _noted(period, project, made_by, accept=accept), stop_signals() as asked:
        total = invoicing.due_count(period, accept=accept) if project is None else 1
        reports = invoicing.batches(period, project, accept=accept, stop=asked)
        with _shown(reports, total) as walked:
            for report in walked:
                done += report
        stopped = asked()
    click.echo(said(done) + (" Stopped; the next run goes on." if stopped else ""))
    if done.parked:
        _tell_parked()
    if done.parked or done.busy:
        raise SystemExit(1)


def said(done: CloseReport) -> str:
    """Return in words what was done."""
    if done == CloseReport():
        return "Nothing to close."
    parts = [f"Closed {done.closed} periods, with {done.invoiced} invoices."]
    if done.parked:
        parts.append(f"Parked {done.parked}.")
    if done.busy:
        parts.append("Some projects are locked by an open transaction; run it again.")
    return " ".join(parts)


def _noted(
    period: Span | None, project: str | None, made_by: str | None, *, accept: bool
) -> AbstractContextManager[None]:
    """Note what no worker does by itself: closing what is parked, or what is void once more."""
    if not accept and (period is None or project is None):
        return nullcontext()
    action = "accept_parked" if accept else "close_month"
    month = None if period is None else f"month_{period.start:%Y_%m}"
    return noted_of_project(action, project, made_by, reason=month)


@contextmanager
def _shown(reports: Iterable[CloseReport], total: int) -> Iterator[Iterator[CloseReport]]:
    """Give the reports, with a bar where a person watches long work."""
    if not sys.stderr.isatty() or total < 2:
        yield iter(reports)
        return
    with click.progressbar(length=total, label="periods", show_pos=True, file=sys.stderr) as bar:

        def walked() -> Iterator[CloseReport]:
            for report in reports:
                bar.update(report.closed + report.parked)
                yield report

        yield walked()


def _tell_parked() -> None:
    for found in invoicing.parked(projects.connection()):
        why = PARKED_BECAUSE.get(found.reason, found.reason)
        click.echo(f"Project {found.project_key} from {found.closed_until:%Y-%m-%d} on: {why}.")
    click.echo(
        "Look at what they used, then run 'flask billing close --project KEY --accept'.", err=True
    )


def _preview(batches: Iterable[list[Preview]]) -> None:
    """Sum up for each month and currency what would be closed."""
    sums: dict[tuple[str, str], Counter[str]] = {}
    for batch in batches:
        for project, priced, reason in batch:
            counts = sums.setdefault((name_of(project.period), project.currency), Counter())
            counts["periods"] += 1
            counts["parked"] += reason is not None
            if priced is not None and reason is None and not priced.is_empty:
                counts += Counter(invoices=1, due=priced.due, credit=priced.credit_used)
    if not sums:
        click.echo("Nothing to close.")
        return
    rows = [
        (
            month,
            str(counts["periods"]),
            str(counts["invoices"]),
            str(counts["parked"]),
            amount_of(counts["due"], currency),
            amount_of(counts["credit"], currency),
        )
        for (month, currency), counts in sorted(sums.items())
    ]
    header = ("month", "periods", "invoices", "parked", "due", "paid by credit")
    print_rows(header, rows, right=header[1:])
    click.echo("Nothing was closed. Of each project, only the oldest open month is looked at.")
