"""`flask billing report`: what was billed in each month and currency."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, fields
from datetime import datetime
from io import StringIO

import click

from flask_billing import money, projects
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import MONTH
from flask_billing.cli.tables import print_rows
from flask_billing.invoicing import report as billed
from flask_billing.invoicing import unissued
from flask_billing.invoicing.reporting import (
    MonthReport,
    between,
    months_with_invoices,
    unclosed_count,
)
from flask_billing.periods import Span

__all__ = ["report"]

_TEXT = ("month", "currency", "invoices")
_NAMES = [field.name for field in fields(MonthReport)]


@click.command("report")
@click.option(
    "--from", "first", type=MONTH, metavar="MONTH", help="By default the first invoice's."
)
@click.option("--to", "last", type=MONTH, metavar="MONTH", help="By default the last invoice's.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "csv", "json"]),
    default="table",
    show_default=True,
    help="How it is printed.",
)
@only_on
def report(first: Span | None, last: Span | None, form: str) -> None:
    """Sum up months by currency.

    That is: what was billed, credited, carried and due, and what is still open now.

    Months are those of the invoices' periods, such as 2026-10. Void invoices don't count.
    """
    if first is not None and last is not None and last.start < first.start:
        raise click.UsageError("--from is a later month than --to.")
    months = _months(first, last)
    with _shown(months) as walked:
        rows = [row for month in billed(walked) for row in month]
    _WRITERS[form](rows)
    waiting = unclosed_count(months[-1].end if months else None)
    if waiting:
        click.echo(
            f"Projects with a month that has ended and is not closed: {waiting}. What is above "
            "will grow; 'flask billing close' closes them.",
            err=True,
        )
    void = (
        sum(span.start < months[-1].end for _, span in unissued(projects.connection()))
        if months
        else 0
    )
    if void:
        click.echo(
            f"Months of projects that wait to be issued anew, as their invoice is void: {void}. "
            "'flask billing check' names them.",
            err=True,
        )


def _months(first: Span | None, last: Span | None) -> list[Span]:
    known = months_with_invoices()
    start: datetime | None = first.start if first else known[0].start if known else None
    end: datetime | None = last.start if last else known[-1].start if known else None
    return [] if start is None or end is None else between(start, end)


def _shown(months: list[Span]) -> AbstractContextManager[Iterable[Span]]:
    """Return the months, with a bar where a person watches."""
    if not sys.stderr.isatty() or len(months) < 2:
        return nullcontext(months)
    return click.progressbar(months, label="months", show_pos=True, file=sys.stderr)


def _cells(row: MonthReport) -> dict[str, str]:
    """Return a row as text, with its amounts in major units."""
    return {
        name: str(value) if name in _TEXT else f"{money.to_major_units(value, row.currency):f}"
        for name, value in asdict(row).items()
    }


def _print_table(rows: list[MonthReport]) -> None:
    if not rows:
        click.echo("There is no invoice in these months.")
        return
    cells = [list(_cells(row).values()) for row in rows]
    header = [name.replace("_", " ") for name in _NAMES]
    print_rows(header, cells, right=header[2:])


def _print_csv(rows: list[MonthReport]) -> None:
    text = StringIO()
    writer = csv.DictWriter(text, _NAMES, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow(_cells(row))
    click.echo(text.getvalue(), nl=False)


def _print_json(rows: list[MonthReport]) -> None:
    cells = [_cells(row) | {"invoices": row.invoices} for row in rows]
    click.echo(json.dumps(cells, indent=2))


_WRITERS: dict[str, Callable[[list[MonthReport]], None]] = {
    "table": _print_table,
    "csv": _print_csv,
    "json": _print_json,
}
