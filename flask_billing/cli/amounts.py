"""Reads amounts as people type them, in major units such as 25.00, and writes them so."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import click

from flask_billing import money

__all__ = ["AMOUNT", "DECIMAL", "amount_of", "minor_units"]


class _Number(click.ParamType[Decimal]):
    """A decimal number."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,10})?", str(value)):
            self.fail(
                f"{value!r} is no number. Write it as in 25.00, with at most 15 digits before the "
                "point and 10 after it."
            )
        return Decimal(value)


AMOUNT = _Number("amount")
DECIMAL = _Number("decimal")


def minor_units(amount: Decimal, currency: str) -> int:
    """Return an amount in major units as minor units.

    :raises click.ClickException: The currency has no such amount.
    """
    exact = money.to_minor_units(amount, currency)
    if money.to_major_units(exact, currency) != amount:
        raise click.ClickException(
            f"{amount} {currency.upper()} has more decimals than the currency can be charged in."
        )
    return exact


def amount_of(amount: int, currency: str) -> str:
    """Return an amount in minor units as every command prints it."""
    return f"{money.to_major_units(amount, currency):f} {currency.upper()}"
