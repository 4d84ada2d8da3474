"""`flask billing refund`: gives the money of an invoice back, whole or in part."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import click

from flask_billing import refunding
from flask_billing.cli.amounts import AMOUNT, amount_of, minor_units
from flask_billing.cli.conditions import only_on
from flask_billing.cli.noting import noted_of_invoice
from flask_billing.cli.signed import found_invoice, plain_refusals, signed
from flask_billing.models import InvoiceRefund

__all__ = ["refund"]

_WHERE = {
    "refund": "to where it was paid from",
    "credit": "by asking for so much less",
}
_SAID = {
    "succeeded": "Gave back {amount} of the invoice {invoice}, as {id}.",
    "pending": "{amount} of the invoice {invoice} is on its way back, as {id}.",
    "sending": "Stripe did not answer. 'flask billing run' finds out whether {amount} of the "
    "invoice {invoice} went back, and gives it back once, as {id}. Do not repeat this.",
}


@click.command("refund")
@click.argument("invoice_id", metavar="INVOICE", type=click.UUID)
@click.option(
    "--amount",
    type=AMOUNT,
    help="How much, with tax, such as 12.30; by default all that can be given back.",
)
@signed
@click.option("--dry-run", is_flag=True, help="Only ask what could be given back.")
@only_on
def refund(
    invoice_id: UUID, amount: Decimal | None, reason: str, made_by: str | None, dry_run: bool
) -> None:
    """Give money of INVOICE (its id) back.

    Of a paid one it goes back to where it was paid from; of an open one so much less is to be paid.
    A credit note corrects its tax either way. What can be given back is read at Stripe.
    """
    currency = found_invoice(invoice_id).currency
    wanted = None if amount is None else minor_units(amount, currency)
    if dry_run:
        with plain_refusals():
            offer = refunding.offer(invoice_id, wanted)
        could = amount_of(offer.amount, offer.currency)
        click.echo(f"Nothing was given back. {could} could be, {_WHERE[offer.kind]}.")
        return
    with (
        plain_refusals(),
        noted_of_invoice("refund", invoice_id, made_by, reason=reason, amount=wanted),
    ):
        given = refunding.refund(invoice_id, wanted, reason=reason, made_by=made_by)
    _tell(given)


def _tell(given: InvoiceRefund) -> None:
    said = _SAID.get(given.state)
    if said is None:
        code = f" ({given.code})" if given.code else ""
        raise click.ClickException(
            f"The refund {given.id} of the invoice {given.invoice_id} is {given.state}{code}."
        )
    amount = amount_of(given.amount, given.currency)
    click.echo(said.format(amount=amount, invoice=given.invoice_id, id=given.id))
    if given.state == "sending":
        raise SystemExit(1)
