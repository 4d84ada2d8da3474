"""`flask billing credits`: grants credit, takes it back and lists it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

import click

from flask_billing import credits as ledger
from flask_billing.cli.amounts import AMOUNT, amount_of, minor_units
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import DATE, written
from flask_billing.cli.noting import noted, noted_of_project, project_of
from flask_billing.cli.signed import (
    currency_option,
    negative,
    plain_refusals,
    project_currency,
    require,
    signed,
)
from flask_billing.cli.tables import print_rows
from flask_billing.credits.currencies import check_currency
from flask_billing.models import Credit

__all__ = ["credit_commands"]


@click.group("credits")
def credit_commands() -> None:
    """Grant credit, take it back, list it."""


@credit_commands.command("grant", context_settings=negative)
@click.argument("project")
@click.argument("amount", type=AMOUNT)
@currency_option
@signed
@click.option("--expires", type=DATE, metavar="DATE", help="From then on it can't be used.")
@click.option("--dry-run", is_flag=True, help="Only look whether it could be granted.")
@only_on
def grant(
    project: str,
    amount: Decimal,
    currency: str | None,
    reason: str,
    made_by: str | None,
    expires: datetime | None,
    dry_run: bool,
) -> None:
    """Grant AMOUNT of credit, such as 25.00, to PROJECT (its key)."""
    currency = (currency or project_currency(project)).lower()
    with plain_refusals():
        check_currency(currency)
    wanted = minor_units(amount, currency)
    with (
        plain_refusals(),
        noted_of_project(
            "grant_credit",
            project,
            made_by,
            amount=wanted,
            currency=currency,
            reason=reason,
            dry_run=dry_run,
        ),
    ):
        credit = ledger.grant(
            project,
            wanted,
            currency=currency,
            reason=reason,
            made_by=made_by,
            expires_at=expires,
            dry_run=dry_run,
        )
    if dry_run:
        click.echo(f"Nothing was granted. {amount:f} {currency.upper()} could be.")
        return
    balance = amount_of(ledger.balance(project), currency)
    click.echo(f"Granted {amount_of(credit.amount, currency)} as {credit.id}. Left now: {balance}.")


@credit_commands.command("reverse")
@click.argument("credit_id", metavar="ID", type=click.UUID)
@signed
@click.option("--dry-run", is_flag=True, help="Only tell what would be taken back.")
@only_on
def reverse(credit_id: UUID, reason: str, made_by: str | None, dry_run: bool) -> None:
    """Take back what is left of the credit ID. What invoices have used stays used."""
    with plain_refusals():
        taken, currency = ledger.left_of(credit_id)
    with (
        plain_refusals(),
        noted(
            "reverse_credit",
            "credit",
            credit_id,
            made_by,
            project_key=project_of(Credit, credit_id),
            amount=taken,
            currency=currency,
            reason=reason,
            dry_run=dry_run,
        ),
    ):
        ledger.reverse(credit_id, reason=reason, made_by=made_by, dry_run=dry_run)
    if dry_run:
        click.echo(f"Nothing was taken back. {amount_of(taken, currency)} would be.")
    else:
        click.echo(f"Took back {amount_of(taken, currency)}.")


@credit_commands.command("list")
@click.argument("project")
@only_on
def list_credits(project: str) -> None:
    """List what was granted to PROJECT (its key), the newest first."""
    require(project)
    found = ledger.of_project(project)
    if not found:
        click.echo("No credit was granted to this project.")
        return
    rows = [
        (
            str(credit.id),
            written(credit.granted_at),
            "never" if credit.expires_at is None else written(credit.expires_at),
            credit.reason,
            amount_of(credit.amount, credit.currency),
            amount_of(credit.remaining, credit.currency),
        )
        for credit in found
    ]
    header = ("id", "granted", "expires", "reason", "amount", "left")
    print_rows(header, rows, right={"amount", "left"})
