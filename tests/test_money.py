"""Amounts are exact: rounded once, to what can be charged, and their parts add up."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_billing.money import (
    EXACT,
    apportion,
    exponent,
    minimum_charge,
    share,
    to_major_units,
    to_minor_units,
    unit,
)

CURRENCIES = ["usd", "eur", "jpy", "kwd", "isk", "ugx", "huf"]
currencies = st.sampled_from(CURRENCIES)
#: As fine as a line's: six places of a quantity, ten of a price and eight of two discounts.
amounts = st.decimals(min_value=0, max_value=10**9, places=24)
minor_units = st.integers(min_value=0, max_value=10**12)
weights = st.lists(st.integers(min_value=0, max_value=10**6), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("currency", "decimals", "step"),
    [("usd", 2, 1), ("jpy", 0, 1), ("kwd", 3, 10), ("isk", 2, 100), ("ugx", 2, 100)],
)
def test_currency_has_its_decimals_and_its_smallest_amount(
    currency: str, decimals: int, step: int
) -> None:
    assert (exponent(currency), unit(currency)) == (decimals, step)


@pytest.mark.parametrize(
    ("amount", "currency", "minor"),
    [
        ("19.99", "usd", 1999),
        ("0.005", "usd", 1),
        ("0.00499999999999999999", "usd", 0),
        ("1.115", "eur", 112),
        ("30.996008", "usd", 3100),
        ("0.5", "jpy", 1),
        ("1.4999", "jpy", 1),
        ("1.2345", "kwd", 1230),
        ("1.235", "kwd", 1240),
        ("12.49", "isk", 1200),
        ("12.50", "isk", 1300),
        ("0", "usd", 0),
    ],
)
def test_amount_is_rounded_half_up_to_what_can_be_charged(
    amount: str, currency: str, minor: int
) -> None:
    assert to_minor_units(Decimal(amount), currency) == minor


@pytest.mark.parametrize(
    ("quantity", "minutes", "minor"), [(2, 40_320, 3100), (2, 36_000, 2768), (2, 21_600, 1661)]
)
def test_examples_of_the_documentation(quantity: int, minutes: int, minor: int) -> None:
    exact = quantity * minutes * Decimal("0.0003843751")

    assert to_minor_units(exact, "usd") == minor
    assert apportion([exact], "usd") == (minor, [minor])


@given(minor=minor_units, currency=currencies)
@settings(max_examples=60)
def test_minor_units_survive_the_way_to_major_units_and_back(minor: int, currency: str) -> None:
    charged = minor * unit(currency)

    major = to_major_units(charged, currency)

    assert to_minor_units(major, currency) == charged
    assert -int(major.as_tuple().exponent) == exponent(currency)


@given(amount=amounts, currency=currencies)
@settings(max_examples=100)
def test_rounding_is_that_of_exact_fractions(amount: Decimal, currency: str) -> None:
    minor = to_minor_units(amount, currency)

    steps = Fraction(amount) * 10 ** exponent(currency) / unit(currency)
    assert minor % unit(currency) == 0
    assert Fraction(-1, 2) < minor // unit(currency) - steps <= Fraction(1, 2)


@given(amount=amounts, currency=currencies)
@settings(max_examples=40)
def test_hosts_own_context_changes_no_amount(amount: Decimal, currency: str) -> None:
    alone = (to_minor_units(amount, currency), apportion([amount, amount], currency))

    with localcontext() as context:
        context.prec, context.rounding = 3, ROUND_DOWN
        within = (to_minor_units(amount, currency), apportion([amount, amount], currency))

    assert within == alone
    assert EXACT.prec == 80


def test_minimum_charge_is_the_processors_and_at_least_the_smallest_amount() -> None:
    assert minimum_charge("usd") == 50
    assert minimum_charge("gbp") == 30
    assert minimum_charge("jpy") == 50
    assert minimum_charge("kwd") == 10
    assert minimum_charge("isk") == 100
    assert minimum_charge("xof") == 1


@pytest.mark.parametrize("currency", CURRENCIES)
def test_minimum_charge_can_be_charged(currency: str) -> None:
    assert minimum_charge(currency) % unit(currency) == 0


def test_cap_is_shared_in_whole_minutes_by_largest_remainder() -> None:
    assert share(40_320, [20_000, 20_000, 4_640]) == [18_065, 18_064, 4_191]


@pytest.mark.parametrize(
    ("total", "parts", "shares"),
    [
        (1, [1, 1], [1, 0]),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [0, 5, 0, 5], [0, 5, 0, 5]),
        (7, [3, 2, 2], [3, 2, 2]),
        (0, [3, 2], [0, 0]),
        (0, [0, 0], [0, 0]),
        (0, [], []),
        (5, [1], [5]),
    ],
)
def test_of_equal_remainders_the_earlier_gets_more(
    total: int, parts: list[int], shares: list[int]
) -> None:
    assert share(total, parts) == shares


@pytest.mark.parametrize("nobody", [[], [0], [0, 0]])
def test_something_cannot_be_shared_among_nobody(nobody: list[int]) -> None:
    with pytest.raises(ValueError, match="nobody to share"):
        share(1, nobody)


@given(total=minor_units, parts=weights)
@settings(max_examples=150)
def test_shares_add_up_and_are_off_by_less_than_one(total: int, parts: list[int]) -> None:
    whole = sum(parts)
    if not whole:
        return

    shares = share(total, parts)

    assert sum(shares) == total
    for got, weight in zip(shares, parts, strict=True):
        assert abs(got - Fraction(total * weight, whole)) < 1
        assert got == 0 or weight > 0


@given(total=minor_units, parts=weights)
@settings(max_examples=80)
def test_whoever_weighs_more_gets_no_less(total: int, parts: list[int]) -> None:
    if not sum(parts):
        return

    shares = share(total, parts)

    ranked = sorted(range(len(parts)), key=lambda place: (-parts[place], place))
    assert [shares[place] for place in ranked] == sorted(shares, reverse=True)


def test_sum_is_rounded_once_and_not_its_parts() -> None:
    total, shares = apportion([Decimal("0.004")] * 3, "usd")

    assert (total, shares) == (1, [1, 0, 0])
    assert sum(to_minor_units(Decimal("0.004"), "usd") for _ in range(3)) == 0


def test_unit_of_rounding_goes_to_the_largest_remainder_and_then_to_the_earlier() -> None:
    exact = [Decimal("1.001"), Decimal("1.009"), Decimal("1.009"), Decimal("0.002")]

    assert apportion(exact, "usd") == (302, [100, 101, 101, 0])
    assert apportion(exact[1:3], "eur") == (202, [101, 101])
    assert apportion([Decimal("0.005"), Decimal("0.005")], "usd") == (1, [1, 0])


def test_nothing_adds_up_to_nothing() -> None:
    assert apportion([], "usd") == (0, [])
    assert apportion([Decimal(), Decimal()], "jpy") == (0, [0, 0])


def test_currency_whose_last_decimal_must_be_zero_is_shared_in_tens() -> None:
    assert apportion([Decimal("0.006"), Decimal("0.006")], "kwd") == (10, [10, 0])


@given(exact=st.lists(amounts, max_size=12), currency=currencies)
@settings(max_examples=150)
def test_shares_of_a_sum_add_up_to_it_and_stay_within_one_unit(
    exact: list[Decimal], currency: str
) -> None:
    total, shares = apportion(exact, currency)

    with localcontext(EXACT):
        assert total == to_minor_units(sum(exact, Decimal()), currency)
    assert sum(shares) == total
    for got, amount in zip(shares, exact, strict=True):
        meant = Fraction(amount) * 10 ** exponent(currency)
        assert abs(got - meant) <= unit(currency)
        assert got % unit(currency) == 0
        assert got == 0 or amount > 0
