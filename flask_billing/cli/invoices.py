"""`flask billing invoices`: lists and shows the invoices of closed months, and makes them void."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import click

from flask_billing import collecting, invoicing
from flask_billing.cli.amounts import amount_of
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import written
from flask_billing.cli.noting import noted_of_invoice
from flask_billing.cli.signed import found_invoice, plain_refusals, require, signed
from flask_billing.cli.tables import print_rows
from flask_billing.cli.timeline import standing, state_of, timeline
from flask_billing.models import Invoice
from flask_billing.periods import Span, name_of

__all__ = ["invoices"]

_SUMS = {
    "usage before discounts": "gross",
    "usage": "subtotal",
    "carried from earlier": "carried_in",
    "adjustments and late usage": "adjusted",
    "paid by credit": "credit_used",
    "became credit": "credit_granted",
    "carried to the next month": "carried_out",
    "let go": "waived",
    "due": "due",
}


@click.group("invoices")
def invoices() -> None:
    """List, show and void the invoices of closed months."""


@invoices.command("list")
@click.argument("project")
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=24,
    show_default=True,
    help="At most so many.",
)
@only_on
def list_invoices(project: str, limit: int) -> None:
    """List the invoices of the project PROJECT, the newest first."""
    require(project)
    found = invoicing.invoices_of(project, limit=limit)
    if not found:
        click.echo("This project has no invoice.")
        return
    rows = [
        (
            str(invoice.id),
            _month(invoice),
            state_of(invoice),
            amount_of(invoice.subtotal, invoice.currency),
            amount_of(invoice.due, invoice.currency),
        )
        for invoice in found
    ]
    header = ("id", "month", "state", "usage", "due")
    print_rows(header, rows, right={"usage", "due"})


@invoices.command("show")
@click.argument("invoice_id", metavar="ID", type=click.UUID)
@only_on
def show(invoice_id: UUID) -> None:
    """Show the sums of the invoice ID, its lines, and what happened to it."""
    invoice = found_invoice(invoice_id)
    start, end = written(invoice.period_start), written(invoice.period_end)
    click.echo(f"Project {invoice.project_key}, from {start} until {end}: {invoice.state}")
    if invoice.voided_at is not None:
        by = f" by {invoice.voided_by}" if invoice.voided_by else ""
        click.echo(f"Void since {written(invoice.voided_at)}{by}: {invoice.void_reason}")
    for group in invoicing.groups_of(invoice):
        name = group.group_name or group.kind
        amount = amount_of(group.amount, invoice.currency)
        lines = "1 line" if group.line_count == 1 else f"{group.line_count} lines"
        click.echo(f"  {name} ({group.kind}, {lines}): {amount}")
    for text, amount in _sums(invoice):
        click.echo(f"{text}: {amount}")
    for line in standing(invoice):
        click.echo(line)
    click.echo("What happened:")
    for at, text in timeline(invoice):
        click.echo(f"  {written(at)}  {text}")


@invoices.command("void")
@click.argument("invoice_id", metavar="ID", type=click.UUID)
@signed
@click.option("--for-good", is_flag=True, help="Let later months take what it gives back.")
@click.option("--dry-run", is_flag=True, help="Only look whether it could be made void.")
@only_on
def void(invoice_id: UUID, reason: str, made_by: str | None, for_good: bool, dry_run: bool) -> None:
    """Make the invoice ID void, at Stripe too.

    What it took is given back: credit, adjustments and what was carried. Its month can be closed
    once more; until it is, later months of the project wait, unless it is void for good.
    """
    if dry_run:
        _look(invoice_id, reason, made_by)
        return
    with plain_refusals(), noted_of_invoice("void", invoice_id, made_by, reason=reason):
        invoice = collecting.void(invoice_id, reason=reason, made_by=made_by, reissue=not for_good)
    if for_good:
        click.echo(f"The invoice {invoice.id} is void for good.")
        return
    click.echo(
        f"The invoice {invoice.id} is void. To issue it anew: flask billing close --period "
        f"{_month(invoice)} --project {invoice.project_key}. Its later months wait until then."
    )


def _look(invoice_id: UUID, reason: str, made_by: str | None) -> None:
    """Say whether an invoice could be made void, as far as the rows tell."""
    invoice = found_invoice(invoice_id)
    row = invoice.collection
    remote_state = None if row is None else row.remote_state
    is_at_stripe = remote_state not in {None, "void", "deleted"}
    if not is_at_stripe or invoice.state in {"paid", "void"}:
        with plain_refusals():
            invoicing.void(invoice_id, reason=reason, made_by=made_by, dry_run=True)
    at_stripe = ", at Stripe too, unless it is paid meanwhile" if is_at_stripe else ""
    click.echo(f"Nothing was changed. It could be made void{at_stripe}.")


def _sums(invoice: Invoice) -> Iterator[tuple[str, str]]:
    """Yield what the invoice comes to, without what is nothing."""
    for text, name in _SUMS.items():
        amount: int = getattr(invoice, name)
        if amount or name in {"subtotal", "due"}:
            yield text, amount_of(amount, invoice.currency)


def _month(invoice: Invoice) -> str:
    return name_of(Span(invoice.period_start, invoice.period_end))
