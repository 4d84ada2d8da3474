"""What staff does with one invoice: `retry`, `write-off`, `unpark` and `terms`."""

from __future__ import annotations

from uuid import UUID

import click

from flask_billing import collecting
from flask_billing.cli.conditions import only_on
from flask_billing.cli.noting import noted_of_invoice, noted_of_project
from flask_billing.cli.signed import by_option, found_invoice, plain_refusals, require, signed
from flask_billing.cli.timeline import state_of
from flask_billing.collecting.staff import LONGEST_TERMS
from flask_billing.models import BilledProjectRow, Invoice, InvoiceCollection
from flask_billing.state import current

__all__ = ["retry", "terms", "unpark", "write_off"]

_invoice_argument = click.argument("invoice_id", metavar="INVOICE", type=click.UUID)


@click.command("retry")
@_invoice_argument
@by_option
@only_on
def retry(invoice_id: UUID, made_by: str | None) -> None:
    """Try the payment methods of INVOICE (its id) now.

    Every usable one is tried in its order, as a new round; the plan goes on from there.
    """
    with plain_refusals(), noted_of_invoice("retry", invoice_id, made_by):
        row = collecting.retry(invoice_id, made_by=made_by)
    _tell(row)


@click.command("unpark")
@_invoice_argument
@by_option
@only_on
def unpark(invoice_id: UUID, made_by: str | None) -> None:
    """Have a parked INVOICE (its id) collected once more.

    Look at it first: 'flask billing invoices show' says why it is parked.
    """
    with plain_refusals(), noted_of_invoice("unpark", invoice_id, made_by):
        row = collecting.unpark(invoice_id, made_by=made_by)
    _tell(row)


@click.command("write-off")
@_invoice_argument
@signed
@click.option("--dry-run", is_flag=True, help="Only tell what would be written off.")
@only_on
def write_off(invoice_id: UUID, reason: str, made_by: str | None, dry_run: bool) -> None:
    """Charge INVOICE (its id) no more.

    Its owner may pay it all the same.
    """
    found = found_invoice(invoice_id)
    if dry_run:
        _tell_of(found, "Nothing was written off.")
        return
    with plain_refusals(), noted_of_invoice("write_off", invoice_id, made_by, reason=reason):
        invoice = collecting.write_off(invoice_id, reason=reason, made_by=made_by)
    click.echo(f"The invoice {invoice.id} is {invoice.state}. It is not charged any more.")


@click.command("terms")
@click.argument("project")
@click.argument("days", type=click.IntRange(1, LONGEST_TERMS), required=False)
@click.option("--none", "none", is_flag=True, help="Charge its payment methods again.")
@by_option
@only_on
def terms(project: str, days: int | None, none: bool, made_by: str | None) -> None:
    """Have PROJECT (its key) pay by transfer within DAYS.

    This is for the invoices that are issued from now on. Without DAYS and --none, say how it is.
    """
    if days is not None and none:
        raise click.UsageError("Give a number of days, or --none.")
    require(project)
    if days is not None or none:
        wanted = "none" if none else f"days_{days}"
        with plain_refusals(), noted_of_project("set_terms", project, made_by, reason=wanted):
            collecting.set_terms(project, days)
    row = current().db.session.get(BilledProjectRow, project, populate_existing=True)
    if row is None or row.terms_days is None:
        click.echo(f"The payment methods of project {project} are charged.")
    else:
        click.echo(f"Project {project} pays by transfer, within {row.terms_days} days.")


def _tell(row: InvoiceCollection) -> None:
    invoice = row.invoice
    state = row.state if row.state != "done" else invoice.state
    needs = f", and needs its owner ({row.needs})" if row.needs else ""
    click.echo(f"The invoice {invoice.id} is {state}{needs}.")
    if row.failures:
        raise click.ClickException(
            f"Stripe failed ({row.error_code}). A worker goes on by itself: look at the invoice in "
            "some minutes before you try again."
        )


def _tell_of(invoice: Invoice, said: str) -> None:
    click.echo(f"{said} The invoice {invoice.id} is {state_of(invoice)}.")
