"""`flask billing adjust`: adds a correction to a project's next invoice."""

from __future__ import annotations

from decimal import Decimal

import click

from flask_billing import invoicing
from flask_billing.cli.amounts import CORRECTION, amount_of, minor_units
from flask_billing.cli.conditions import only_on
from flask_billing.cli.noting import noted_of_project
from flask_billing.cli.signed import negative, plain_refusals, project_currency, signed

__all__ = ["adjust"]


@click.command("adjust", context_settings=negative)
@click.argument("project")
@click.argument("amount", type=CORRECTION)
@signed
@click.option("--dry-run", is_flag=True, help="Only look whether it could be made.")
@only_on
def adjust(project: str, amount: Decimal, reason: str, made_by: str | None, dry_run: bool) -> None:
    """Add a line to the next invoice.

    AMOUNT is such as 5.00 or -5.00, PROJECT the key of the project.

    A closed invoice never changes. What is below 0 is in the customer's favour; where the invoice
    comes to less than nothing, the rest becomes credit.
    """
    currency = project_currency(project)
    wanted = minor_units(amount, currency)
    with (
        plain_refusals(),
        noted_of_project(
            "adjust",
            project,
            made_by,
            amount=wanted,
            currency=currency,
            reason=reason,
            dry_run=dry_run,
        ),
    ):
        made = invoicing.adjust(project, wanted, reason=reason, made_by=made_by, dry_run=dry_run)
    text = amount_of(made.amount, made.currency)
    if dry_run:
        click.echo(f"Nothing was added. {text} could be.")
    else:
        click.echo(f"Added {text} to the next invoice, as {made.id}.")
