"""`flask billing audit`: shows what staff did."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import click

from flask_billing import auditing
from flask_billing.cli.amounts import amount_of
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import MOMENT, written
from flask_billing.cli.signed import found_invoice
from flask_billing.cli.tables import print_rows
from flask_billing.models import AuditEntry

__all__ = ["audit"]


@click.command("audit")
@click.option("--invoice", "invoice_id", type=click.UUID, metavar="ID", help="Of this invoice.")
@click.option(
    "--before",
    type=MOMENT,
    metavar="WHEN",
    help="Only what was done before: 2h, 3d, or a date.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=50,
    show_default=True,
    help="At most so many.",
)
@only_on
def audit(invoice_id: UUID | None, before: datetime | None, limit: int) -> None:
    """Show who of the staff did what, the latest first.

    An entry that stays 'begun' tells of a process that died, or of an error nobody expected.
    """
    object_type = None if invoice_id is None else "invoice"
    found = auditing.entries(
        object_type=object_type, object_id=invoice_id, before=before, limit=limit
    )
    if not found:
        if invoice_id is not None:
            found_invoice(invoice_id)
        click.echo("Nothing was done.")
        return
    header = ("when", "who", "way", "did", "to", "project", "amount", "why", "outcome")
    print_rows(header, [_row(entry) for entry in found], right={"amount"})


def _row(entry: AuditEntry) -> tuple[str, ...]:
    has_amount = entry.amount is not None and entry.currency is not None
    return (
        written(entry.made_at),
        entry.made_by or "-",
        entry.way,
        entry.action,
        f"{entry.object_type} {entry.object_id}",
        entry.project_key or "-",
        amount_of(entry.amount or 0, entry.currency or "usd") if has_amount else "-",
        entry.reason or "-",
        entry.outcome,
    )
