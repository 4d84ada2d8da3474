"""Reads amounts as people type them, in major units such as 25.00, and writes them so."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import click

from flask_billing import money

__all__ = ["AMOUNT", "CORRECTION", "DECIMAL", "amount_of", "minor_units", "plain"]

#: What no amount in minor units reaches.
_MOST = 10**15


class _Number(click.ParamType[Decimal]):
    """A decimal number.

    :param fits: Whether a number can be meant; what it has to be is said in `rule`.
    """

    def __init__(
        self, name: str, fits: Callable[[Decimal], bool] = Decimal.is_finite, rule: str = ""
    ) -> None:
        self.name = name
        self.fits = fits
        self.rule = rule

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        if not re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,10})?", str(value)):
            self.fail(
                f"{value!r} is no number. Write it as in 25.00, with at most 15 digits before the "
                "point and 10 after it."
            )
        number = Decimal(value)
        if not self.fits(number):
            self.fail(f"{value} can't be meant: {self.rule}")
        return number


AMOUNT = _Number("amount", lambda number: number > 0, "an amount is above 0, such as 25.00.")
CORRECTION = _Number("amount", bool, "a correction is above or below 0, such as 5.00 or -5.00.")
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
    if abs(exact) >= _MOST:
        raise click.ClickException(
            f"{amount} {currency.upper()} is too much: amounts are below "
            f"{money.to_major_units(_MOST, currency):,f} {currency.upper()}."
        )
    return exact


def amount_of(amount: int, currency: str) -> str:
    """Return an amount in minor units as every command prints it."""
    return f"{money.to_major_units(amount, currency):f} {currency.upper()}"


def plain(number: Decimal) -> str:
    """Return a number without the zeros that a table's column adds to it."""
    return f"{number.normalize():f}"
