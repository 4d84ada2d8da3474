"""`flask billing codes`: makes codes that grant credit, ends them and lists them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import click

from flask_billing import clock
from flask_billing import credits as ledger
from flask_billing.cli.amounts import AMOUNT, amount_of, minor_units
from flask_billing.cli.conditions import only_on
from flask_billing.cli.moments import DATE, written
from flask_billing.cli.noting import noted
from flask_billing.cli.signed import by_option, negative, plain_refusals
from flask_billing.cli.tables import print_rows
from flask_billing.credits.codes import find_code
from flask_billing.credits.currencies import check_currency
from flask_billing.models import CreditCode
from flask_billing.state import current

__all__ = ["codes"]


@click.group("codes")
def codes() -> None:
    """Make codes that grant credit, end them, list them."""


@codes.command("create", context_settings=negative)
@click.argument("amount", type=AMOUNT)
@click.option("--currency", metavar="CODE", help="By default BILLING_CURRENCY.")
@click.option("--code", help="By default 16 random characters; what is guessable will be guessed.")
@click.option("--expires", type=DATE, metavar="DATE", help="From then on it can't be used.")
@click.option("--days", type=click.IntRange(min=1), help="For how many days its credit lasts.")
@click.option("--max-uses", type=click.IntRange(min=1), help="How many projects may use it.")
@click.option("--count", type=click.IntRange(1, 1000), default=1, help="Make so many of them.")
@by_option
@only_on
def create(
    amount: Decimal,
    currency: str | None,
    code: str | None,
    expires: datetime | None,
    days: int | None,
    max_uses: int | None,
    count: int,
    made_by: str | None,
) -> None:
    """Make a code that grants AMOUNT of credit, such as 25.00.

    A project can use it once.

    Prints the code. Any number of projects may use it, unless --max-uses says how many.
    """
    if code is not None and count > 1:
        raise click.UsageError("--code names one code, and --count asks for several.")
    currency = (currency or current().settings.currency).lower()
    with plain_refusals():
        check_currency(currency)
    wanted = minor_units(amount, currency)
    with (
        plain_refusals(),
        noted(
            "make_codes", "credit_code", f"{count} new", made_by, amount=wanted, currency=currency
        ),
    ):
        for _ in range(count):
            made = ledger.make_code(
                wanted,
                currency=currency,
                code=code,
                expires_at=expires,
                credit_days=days,
                max_uses=max_uses,
                made_by=made_by,
            )
            click.echo(ledger.written_code(made.code))


@codes.command("end")
@click.argument("code")
@by_option
@only_on
def end(code: str, made_by: str | None) -> None:
    """Let CODE be used no more. What it granted stays."""
    found = find_code(code)
    if found is None:
        raise click.ClickException("There is no such code.")
    with plain_refusals(), noted("end_code", "credit_code", found.id, made_by):
        ended = ledger.end_code(code)
    times = "once" if ended.uses == 1 else f"{ended.uses} times"
    click.echo(f"Ended. It was used {times}.")


@codes.command("list")
@click.option("--all", "ended", is_flag=True, help="Also those that can no longer be used.")
@only_on
def list_codes(ended: bool) -> None:
    """List the codes that can be used, the newest first."""
    found = ledger.all_codes(ended=ended)
    if not found:
        click.echo("There is no code yet." if ended else "There is no code that can be used.")
        return
    rows = [
        (
            ledger.written_code(code.code),
            amount_of(code.amount, code.currency),
            f"{code.uses} of {code.max_uses or 'any'}",
            "never" if code.expires_at is None else written(code.expires_at),
            _state(code),
        )
        for code in found
    ]
    print_rows(("code", "amount", "uses", "expires", "state"), rows, right={"amount"})


def _state(code: CreditCode) -> str:
    if code.expires_at is not None and code.expires_at <= clock.now():
        return "ended"
    return "used up" if code.max_uses is not None and code.uses >= code.max_uses else "usable"
