"""Exact amounts: `Decimal` in between, whole minor units in the end, and no float anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext

__all__ = [
    "EXACT",
    "apportion",
    "exponent",
    "minimum_charge",
    "share",
    "to_major_units",
    "to_minor_units",
    "unit",
]

#: Wide enough for every product of quantity, minutes, price and discounts; inexact results of a
#: host's own narrower context can't get in.
EXACT = Context(prec=80)

# How Stripe counts currencies (https://docs.stripe.com/currencies). Of those with three decimals
# the last must be 0; ISK and UGX are sent with two, which must be 00.
_ZERO = frozenset(
    [
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
    ]
)
_THREE = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
_WHOLE = frozenset({"isk", "ugx"})

# The least that Stripe charges, in minor units
# (https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts).
_MINIMUM = {
    "aed": 200,
    "aud": 50,
    "bgn": 100,
    "brl": 50,
    "cad": 50,
    "chf": 50,
    "czk": 1500,
    "dkk": 250,
    "eur": 50,
    "gbp": 30,
    "hkd": 400,
    "huf": 17500,
    "inr": 50,
    "jpy": 50,
    "mxn": 1000,
    "myr": 200,
    "nok": 300,
    "nzd": 50,
    "pln": 200,
    "ron": 200,
    "sek": 300,
    "sgd": 50,
    "thb": 1000,
    "usd": 50,
}


def exponent(currency: str) -> int:
    """Return how many decimals the minor unit of a currency (lower case) has at the processor."""
    return 0 if currency in _ZERO else 3 if currency in _THREE else 2


def unit(currency: str) -> int:
    """Return the smallest amount that can be charged, in minor units; all amounts are multiples."""
    return 10 if currency in _THREE else 100 if currency in _WHOLE else 1


def minimum_charge(currency: str) -> int:
    """Return the least that the processor charges in a currency, in minor units.

    Where it publishes no figure, the smallest amount that can be charged.
    """
    return _MINIMUM.get(currency, unit(currency))


def to_minor_units(amount: Decimal, currency: str) -> int:
    """Return an amount in major units as minor units, rounded half up to what can be charged."""
    step = unit(currency)
    with localcontext(EXACT):
        steps = amount.scaleb(exponent(currency)) / step
        return int(steps.quantize(Decimal(1), ROUND_HALF_UP)) * step


def to_major_units(amount: int, currency: str) -> Decimal:
    """Return an amount in minor units as major units, with the currency's decimals."""
    return Decimal(amount).scaleb(-exponent(currency), EXACT)


def share(total: int, weights: Sequence[int]) -> list[int]:
    """Share `total` in proportion to `weights`, in whole numbers that add up to it.

    By largest remainder; of equal remainders the earlier gets more.

    :param weights: Not negative; where all are 0, everything is 0 and so must be `total`.
    :raises ValueError: There is something to share and nobody to share it among.
    """
    whole = sum(weights)
    if not whole:
        if total:
            raise ValueError("There is nobody to share the amount among.")
        return [0] * len(weights)
    parts = [divmod(total * weight, whole) for weight in weights]
    return _with_the_rest(total, [part for part, _ in parts], [rest for _, rest in parts])


def apportion(amounts: Sequence[Decimal], currency: str) -> tuple[int, list[int]]:
    """Round the sum of exact amounts once, and share its whole units over them.

    By largest remainder; of equal remainders the earlier gets more.

    :param amounts: In major units, not negative.
    :returns: The sum, rounded half up, and a share for each amount, all in minor units; the shares
        add up to the sum.
    """
    step = unit(currency)
    with localcontext(EXACT):
        exact = [amount.scaleb(exponent(currency)) / step for amount in amounts]
        total = int(sum(exact, Decimal()).quantize(Decimal(1), ROUND_HALF_UP))
        floors = [int(amount.to_integral_value(ROUND_FLOOR)) for amount in exact]
        rests = [amount - floor for amount, floor in zip(exact, floors, strict=True)]
    shares = _with_the_rest(total, floors, rests)
    return total * step, [part * step for part in shares]


def _with_the_rest(
    total: int, floors: list[int], rests: Sequence[int] | Sequence[Decimal]
) -> list[int]:
    """Add what is missing to `total` one by one where the most was cut off."""
    missing = total - sum(floors)
    by_rest = sorted(range(len(floors)), key=lambda place: rests[place], reverse=True)
    for place in by_rest[:missing]:
        floors[place] += 1
    return floors
