"""`flask billing methods`: decides on payment methods that banks have asked money back of."""

from __future__ import annotations

from uuid import UUID

import click

from flask_billing import refunding
from flask_billing.cli.conditions import only_on
from flask_billing.cli.noting import noted
from flask_billing.cli.signed import by_option, plain_refusals

__all__ = ["methods"]


@click.group("methods")
def methods() -> None:
    """Decide on payment methods."""


@methods.command("accept")
@click.argument("method_id", metavar="ID", type=click.UUID)
@by_option
@only_on
def accept(method_id: UUID, made_by: str | None) -> None:
    """Charge the disputed payment method ID again."""
    with plain_refusals(), noted("accept_method", "payment_method", method_id, made_by):
        method = refunding.accept_method(method_id, made_by=made_by)
    click.echo(f"The payment method {method.id} is charged again.")
