"""`flask billing collect`: issues and charges by hand what is due."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice

import click

from flask_billing import collecting
from flask_billing.cli.amounts import amount_of
from flask_billing.cli.conditions import when_on
from flask_billing.cli.parts import of_collecting
from flask_billing.cli.signed import require
from flask_billing.cli.stopping import Asked, stop_signals
from flask_billing.cli.tables import print_rows
from flask_billing.cli.turns import counted
from flask_billing.collecting import CollectReport

__all__ = ["collect"]

#: After how many invoices it is told how far the work is.
_AT_ONCE = 50


@click.command("collect")
@click.option("--project", metavar="KEY", help="Collect the invoices of this project alone.")
@click.option("--limit", type=click.IntRange(min=1), help="At most so many invoices.")
@click.option("--dry-run", is_flag=True, help="Only tell what would be charged, and to what.")
@when_on
def collect(project: str | None, limit: int | None, dry_run: bool) -> None:
    """Issue and charge the invoices that are due.

    Payment methods are tried in their order; what fails is planned anew. Any number of these may
    run at once, beside 'flask billing run' too: nothing is charged twice. Ends with status 1 where
    an invoice is parked or could not be asked about.
    """
    if project is not None:
        require(project)
    if dry_run:
        _preview(project, limit)
        return
    done = CollectReport()
    with stop_signals() as asked:
        keys = None if project is None else [project]
        collecting.mend()
        due = collecting.due_count(keys)
        total = due if limit is None else min(due, limit)
        with _shown(_batches(project, total, asked), total) as reports:
            for report in reports:
                done += report
        stopped = asked()
    click.echo(_said(done) + (" Stopped; the next run goes on." if stopped else ""))
    if done.parked:
        click.echo("'flask billing check' names what is parked, and why.", err=True)
    if done.parked or done.errors:
        raise SystemExit(1)


def _batches(project: str | None, total: int, asked: Asked) -> Iterator[CollectReport]:
    """Collect in batches; no more than was due in the beginning."""
    for begun in range(0, total, _AT_ONCE):
        if asked():
            return
        yield collecting.collect(project, limit=min(_AT_ONCE, total - begun), stop=asked)


@contextmanager
def _shown(reports: Iterable[CollectReport], total: int) -> Iterator[Iterator[CollectReport]]:
    """Give the reports, with a bar where a person watches long work."""
    if not sys.stderr.isatty() or total <= _AT_ONCE:
        yield iter(reports)
        return
    with click.progressbar(length=total, label="invoices", show_pos=True, file=sys.stderr) as bar:

        def walked() -> Iterator[CollectReport]:
            for report in reports:
                bar.update(_AT_ONCE)
                yield report

        yield walked()


def _said(done: CollectReport) -> str:
    """Return in words what was done."""
    ends = [counted(count, name) for name, count in of_collecting(done).items() if count]
    return f"{', '.join(ends).capitalize()}." if ends else "Nothing to collect."


def _preview(project: str | None, limit: int | None) -> None:
    """List what would be charged, and sum it up for each currency."""
    sums: Counter[str] = Counter()
    rows = []
    for planned in islice(collecting.preview(project), limit):
        if planned.method_ids:
            sums[planned.currency] += planned.amount
        methods = ", ".join(str(method_id) for method_id in planned.method_ids)
        amount = amount_of(planned.amount, planned.currency)
        rows.append((planned.project_key, str(planned.invoice_id), amount, methods or "nothing"))
    if not rows:
        click.echo("Nothing to collect.")
        return
    header = ("project", "invoice", "amount", "tried in this order")
    print_rows(header, rows, right={"amount"})
    for currency, total in sorted(sums.items()):
        click.echo(f"Up to {amount_of(total, currency)} would be charged.")
    click.echo(
        "Nothing was charged. Amounts of what is not issued yet are before tax; an invoice with "
        "nothing to try waits for its owner."
    )
