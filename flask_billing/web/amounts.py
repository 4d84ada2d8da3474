"""Says how much: money, quantities and prices as the reader writes numbers.

Currencies are named by their code: there are many dollars.
"""

from __future__ import annotations

from decimal import Decimal

from babel.numbers import format_decimal, format_percent

from flask_billing.money import EXACT, exponent, to_major_units, unit
from flask_billing.web.i18n import gettext, locale

__all__ = ["about", "money", "named", "number", "percent", "precise", "price", "quantity"]

_NO_BREAK = "\N{NO-BREAK SPACE}"


def number(amount: int, currency: str) -> str:
    """Return an amount in minor units as a number in major ones, such as "31.00"."""
    return _with_decimals(to_major_units(amount, currency), exponent(currency))


def money(amount: int, currency: str) -> str:
    """Return an amount in minor units with its currency, such as "31.00 USD"."""
    return named(number(amount, currency), currency)


def named(words: str, currency: str) -> str:
    """Return a number that was put into words with its currency."""
    return f"{words}{_NO_BREAK}{currency.upper()}"


def about(amount: int, exact: Decimal, currency: str) -> str:
    """Return a rounded amount as a number, or "less than 0.01" where it is not quite nothing."""
    if amount or exact <= 0:
        return number(amount, currency)
    return gettext("less than %(amount)s", amount=number(unit(currency), currency))


def precise(exact: Decimal, currency: str) -> str:
    """Return an exact amount in major units with its currency, rounded for people only."""
    least = to_major_units(unit(currency), currency)
    if 0 < exact < least:
        words = gettext("less than %(amount)s", amount=_with_decimals(least, exponent(currency)))
    else:
        words = _with_decimals(exact, exponent(currency))
    return named(words, currency)


def price(exact: Decimal, currency: str) -> str:
    """Return a unit price with all its decimals, such as "0.0003843751 USD"."""
    shown = max(exponent(currency), -int(exact.normalize(EXACT).as_tuple().exponent))
    return named(_with_decimals(exact, shown), currency)


def quantity(value: Decimal | int) -> str:
    """Return a quantity with as many decimals as it has."""
    return format_decimal(value, format="#,##0.######", locale=locale())


def percent(value: Decimal) -> str:
    """Return a percentage, such as "12.5%"."""
    return format_percent(value / 100, locale=locale(), decimal_quantization=False)


def _with_decimals(value: Decimal, decimals: int) -> str:
    pattern = "#,##0" + ("." + "0" * decimals if decimals else "")
    return format_decimal(value, format=pattern, locale=locale())
