"""`flask billing rates ...`: looks at the file of rates, and at what was used of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import click
from flask.cli import with_appcontext
from sqlalchemy import Connection

from flask_billing import projects
from flask_billing.cli.conditions import plain_errors
from flask_billing.cli.findings import Finding, show
from flask_billing.cli.moments import MOMENT, written
from flask_billing.metering import registry
from flask_billing.rates import Rate, RateBook, RatesError
from flask_billing.state import current

__all__ = ["of_rates", "rates"]

HEADINGS = ("rate", "price", "from", "until", "group", "description")


@click.group("rates")
def rates() -> None:
    """Look at the file of rates."""


@rates.command("check")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--strict", is_flag=True, help="End with status 1 where there is a hint, too.")
@with_appcontext
def check(file: Path | None, strict: bool) -> None:
    """Look for rates that changed, and for slips.

    Reads FILE, which may be about to take the place of BILLING_RATES; by default, what the app
    runs with. Prints a line for each thing, marked ok, hint or problem, and ends with status 1
    where there is a problem: a rate that was used and has changed since, or is gone.
    """
    book = _book(file)
    marks = []
    with plain_errors():
        for finding in _findings(book):
            marks.append(finding.mark)
            show(finding)
    if "problem" in marks or (strict and "hint" in marks):
        raise SystemExit(1)


@rates.command("list")
@click.option("--at", "moment", type=MOMENT, help="Only what holds then, such as 2026-10-01.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with the ids of the rates.")
@with_appcontext
def list_rates(moment: datetime | None, as_json: bool) -> None:
    """Say which price holds from when to when."""
    book = current().settings.rates
    shown = [
        (rate, book.until(rate))
        for rate in book
        if moment is None or book.at(rate.name, rate.currency, moment) == rate
    ]
    if as_json:
        click.echo(json.dumps([_entry(rate, until) for rate, until in shown], indent=2))
    elif shown:
        _print_table([_cells(rate, until) for rate, until in shown])
    else:
        click.echo("No rate holds then." if moment else "There are no rates (BILLING_RATES).")


def of_rates(connection: Connection, book: RateBook | None = None) -> Iterator[Finding]:
    """Say whether the rates, by default the app's, are still what they were when they were used."""
    differences = registry.check(connection, book)
    for difference in differences:
        yield Finding("problem", f"{difference.text} Until then, no month is closed.")
    if not differences:
        yield Finding("ok", "No rate that was used has changed or is gone.")


def _book(file: Path | None) -> RateBook:
    if file is None:
        return current().settings.rates
    try:
        return RateBook.load(file)
    except RatesError as error:
        raise click.ClickException(str(error)) from None


def _findings(book: RateBook) -> Iterator[Finding]:
    currencies = ", ".join(sorted({rate.currency for rate in book}))
    if book:
        yield Finding("ok", f"The file is valid: {len(book)} rates, in {currencies}.")
    else:
        yield Finding("hint", "There are no rates: nothing is metered.")
    for suspicion in book.suspicions():
        yield Finding("hint", f"{suspicion} Is that meant?")
    if current().settings.enabled:
        yield from of_rates(projects.connection(), book)
        for rate in registry.backdated(projects.connection(), book):
            yield Finding("hint", _backdated(rate))
    else:
        click.echo("Billing is off, so this is not compared with the database.")


def _backdated(rate: Rate) -> str:
    return (
        f"{rate.name} ({rate.currency}) from {_day(rate.active_from)} on was never used, and the "
        "price before it was used after that date: usage that is told late would cost the new "
        "price, and the rest the old one. Give it a date in the future."
    )


def _entry(rate: Rate, until: datetime | None) -> dict[str, Any]:
    return {
        "id": str(rate.id),
        "name": rate.name,
        "unit": rate.unit,
        "unit_price": f"{rate.unit_price:f}",
        "currency": rate.currency,
        "active_from": rate.active_from.isoformat(),
        "active_until": until and until.isoformat(),
        "group": rate.group,
        "description": rate.description,
    }


def _cells(rate: Rate, until: datetime | None) -> tuple[str, ...]:
    each = "a minute" if rate.unit == "minute" else "each"
    price = f"{rate.unit_price:f} {rate.currency.upper()} {each}"
    ends = _day(until) if until else ""
    return (rate.name, price, _day(rate.active_from), ends, rate.group, rate.description)


def _day(moment: datetime) -> str:
    """Return a moment as a date, where it is the beginning of one."""
    return written(moment).removesuffix(" 00:00:00Z")


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(HEADINGS, *rows, strict=True)]
    for place, row in enumerate([HEADINGS, *rows]):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo(click.style(line.rstrip(), bold=place == 0))
