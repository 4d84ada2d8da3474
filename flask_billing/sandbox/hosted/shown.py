"""Amounts and dates as the hosted pages show them."""

from datetime import UTC, datetime
from decimal import Decimal

WITHOUT_MINOR_UNITS = frozenset(
    {
        "bif",
        "clp",
        "djf",
        "gnf",
        "jpy",
        "kmf",
        "krw",
        "mga",
        "pyg",
        "rwf",
        "vnd",
        "vuv",
        "xaf",
        "xof",
        "xpf",
    }
)
WITH_THREE_DIGITS = frozenset({"bhd", "jod", "kwd", "omr", "tnd"})


def money(amount: int, currency: str) -> str:
    """Give an amount of minor units with its currency, such as `1,234.50 EUR`."""
    digits = 0 if currency in WITHOUT_MINOR_UNITS else 3 if currency in WITH_THREE_DIGITS else 2
    return f"{Decimal(amount).scaleb(-digits):,.{digits}f} {currency.upper()}"


def day(moment: int) -> str:
    """Give the day of a moment in seconds since 1970, such as `4 December 2026`."""
    date = datetime.fromtimestamp(moment, UTC)
    return f"{date.day} {date:%B %Y}"
