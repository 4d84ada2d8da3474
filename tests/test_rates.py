"""The file of rates is read strictly: what can't be meant is refused with its name and the fix."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from flask_billing import Rate, RateBook, RatesError

RATES = Path(__file__).parent / "rates.toml"
JULY = datetime(2026, 7, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
SOUND = {
    "name": '"machine.small"',
    "unit": '"minute"',
    "unit_price": '"0.0003843751"',
    "currency": '"usd"',
    "active_from": "2026-01-01",
}


@pytest.fixture
def book() -> RateBook:
    return RateBook.load(RATES)


def entry(**changes: str | None) -> str:
    """A rate as it stands in the file; None leaves a key out."""
    values = {key: value for key, value in (SOUND | changes).items() if value is not None}
    return "[[rate]]\n" + "".join(f"{key} = {value}\n" for key, value in values.items())


def load(folder: Path, *entries: str) -> RateBook:
    path = folder / "rates.toml"
    path.write_text("\n".join(entries), encoding="utf-8")
    return RateBook.load(path)


def price(book: RateBook, name: str, currency: str, moment: datetime) -> Decimal | None:
    rate = book.at(name, currency, moment)
    return None if rate is None else rate.unit_price


def test_rate_is_read_as_it_is_written(tmp_path: Path) -> None:
    [rate] = load(tmp_path, entry(description='"Kleine Maschine"', group='"machines"'))

    assert rate == Rate(
        id=rate.id,
        name="machine.small",
        unit="minute",
        unit_price=Decimal("0.0003843751"),
        currency="usd",
        active_from=datetime(2026, 1, 1, tzinfo=UTC),
        description="Kleine Maschine",
        group="machines",
    )


def test_rate_is_called_and_grouped_by_its_name_unless_told(tmp_path: Path) -> None:
    [rate] = load(tmp_path, entry())

    assert (rate.description, rate.group) == ("machine.small", "machine.small")


def test_id_is_the_same_in_every_process_and_of_each_version_another(book: RateBook) -> None:
    again = RateBook.load(RATES)

    assert [rate.id for rate in again] == [rate.id for rate in book]
    assert len({rate.id for rate in book}) == len(book) == 8
    first = book.versions("machine.small", "usd")[0]
    assert first.id == UUID("cab8c838-aa18-5a36-b74d-e138de35d8f2")


def test_id_depends_on_name_currency_and_moment_alone(tmp_path: Path) -> None:
    one, two = (
        load(tmp_path, entry(**changes))
        for changes in (
            {"active_from": "2026-01-01"},
            {"active_from": "2026-01-01T09:00:00+09:00", "unit_price": '"7"', "unit": '"count"'},
        )
    )

    assert [rate.id for rate in one] == [rate.id for rate in two]


def test_price_holds_from_its_date_up_to_the_next(book: RateBook) -> None:
    new_year = datetime(2026, 1, 1, tzinfo=UTC)

    assert price(book, "machine.small", "usd", new_year - MICROSECOND) is None
    assert price(book, "machine.small", "usd", new_year) == Decimal("0.0003843751")
    assert price(book, "machine.small", "usd", JULY - MICROSECOND) == Decimal("0.0003843751")
    assert price(book, "machine.small", "usd", JULY) == Decimal("0.0004")
    assert price(book, "machine.small", "usd", JULY.replace(year=2099)) == Decimal("0.0004")


def test_moment_may_be_in_any_zone(book: RateBook) -> None:
    tokyo = timezone(timedelta(hours=9))

    late_in_june = datetime(2026, 7, 1, 8, 59, tzinfo=tokyo)
    in_july = datetime(2026, 7, 1, 9, 0, tzinfo=tokyo)

    assert price(book, "machine.small", "usd", late_in_june) == Decimal("0.0003843751")
    assert price(book, "machine.small", "usd", in_july) == Decimal("0.0004")


def test_versions_of_two_currencies_are_apart(book: RateBook) -> None:
    assert [rate.currency for rate in book.versions("machine.small", "eur")] == ["eur"]
    assert len(book.versions("machine.small", "usd")) == 2
    assert price(book, "machine.small", "eur", JULY) == Decimal("0.00035")
    assert sorted(book.currencies("machine.small")) == ["eur", "usd"]
    assert book.currencies("machine.large") == ["usd"]


def test_rate_ends_where_its_successor_begins(book: RateBook) -> None:
    first, second = book.versions("machine.small", "usd")
    [other] = book.versions("machine.small", "eur")

    assert book.until(first) == second.active_from == JULY
    assert book.until(second) is book.until(other) is None


def test_what_is_not_in_the_file_is_not_found(book: RateBook) -> None:
    assert book.at("machine.tiny", "usd", JULY) is None
    assert book.at("machine.large", "eur", JULY) is None
    assert book.versions("machine.large", "eur") == []
    assert book.currencies("machine.tiny") == []
    assert book.unit_of("machine.tiny") is None
    assert book.by_id(UUID(int=1)) is None


def test_rate_is_found_by_its_id_and_unit(book: RateBook) -> None:
    assert [book.by_id(rate.id) for rate in book] == list(book)
    assert book.unit_of("machine.small") == "minute"
    assert book.unit_of("api.call") == "count"


def test_order_in_the_file_does_not_matter(tmp_path: Path) -> None:
    entries = [
        entry(active_from=date, unit_price=price)
        for date, price in (
            ("2026-03-01", '"3"'),
            ("2026-01-01", '"1"'),
            ("2026-02-01", '"2"'),
        )
    ]

    one, other = load(tmp_path, *entries), load(tmp_path, *reversed(entries))

    assert one == other
    assert hash(one) == hash(other)
    assert [str(rate.unit_price) for rate in one] == ["1", "2", "3"]


def test_books_that_differ_are_not_equal(tmp_path: Path) -> None:
    book = load(tmp_path, entry())

    assert book != load(tmp_path, entry(unit_price='"0.0003843752"'))
    assert book != load(tmp_path, entry(description='"Small"'))
    assert book != list(book)
    assert RateBook() == RateBook()
    assert not RateBook()


@pytest.mark.parametrize(
    "written", ['"0"', '"0.0000000001"', '"99999999.9999999999"', '"12"', '"0.10"']
)
def test_price_keeps_every_decimal(tmp_path: Path, written: str) -> None:
    [rate] = load(tmp_path, entry(unit_price=written))

    assert f"{rate.unit_price:f}" == written.strip('"')


@pytest.mark.parametrize(
    ("changes", "fix"),
    [
        ({"name": None}, "Rate 1 needs a name"),
        ({"name": "5"}, "Rate 1 needs a name"),
        ({"name": '"small machine"'}, "Rate 1 needs a name"),
        ({"name": f'"{"x" * 101}"'}, "at most 100"),
        ({"name": '".small"'}, "Rate 1 needs a name"),
        ({"name": '"small\\n"'}, "Rate 1 needs a name"),
        ({"unit": None, "currency": None}, "machine.small lacks currency, unit"),
        ({"unit": '"hour"'}, '"minute" or "count"'),
        ({"unit": "1"}, '"minute" or "count"'),
        ({"unit_price": "0.0003843751"}, "decimal in quotes"),
        ({"unit_price": "1"}, "decimal in quotes"),
        ({"unit_price": '"-1"'}, "decimal in quotes"),
        ({"unit_price": '"1e-4"'}, "decimal in quotes"),
        ({"unit_price": '"NaN"'}, "decimal in quotes"),
        ({"unit_price": '".5"'}, "decimal in quotes"),
        ({"unit_price": '"1,5"'}, "decimal in quotes"),
        ({"unit_price": '"0.00000000001"'}, "10 after it"),
        ({"unit_price": '"100000000"'}, "8 digits before"),
        ({"unit_price": '"٣"'}, "decimal in quotes"),
        ({"currency": '"USD"'}, "three small letters"),
        ({"currency": '"euro"'}, "three small letters"),
        ({"active_from": '"2026-01-01"'}, "must be a date"),
        ({"active_from": "12:00:00"}, "must be a date"),
        ({"active_from": "2026-01-01T00:00:00"}, "needs a zone"),
        ({"active_from": "0001-01-01T00:00:00+05:00"}, "between 2000 and 2999"),
        ({"active_from": "9999-12-31T23:00:00-05:00"}, "between 2000 and 2999"),
        ({"active_from": "1999-12-31"}, "between 2000 and 2999"),
        ({"description": '""'}, "one line of text"),
        ({"description": '"two\\nlines"'}, "one line of text"),
        ({"description": '"a\\u0000b"'}, "one line of text"),
        ({"description": f'"{"x" * 201}"'}, "at most 200"),
        ({"description": "5"}, "one line of text"),
        ({"group": '""'}, "a name such as servers"),
        ({"group": '"two words"'}, "a name such as servers"),
        ({"price": '"1"', "each": "1"}, "machine.small has each, price, which no rate has"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_fix(
    tmp_path: Path, changes: dict[str, str | None], fix: str
) -> None:
    with pytest.raises(RatesError) as refused:
        load(tmp_path, entry(**changes))

    assert fix in str(refused.value)


def test_refusal_names_the_rate_and_the_key(tmp_path: Path) -> None:
    with pytest.raises(RatesError, match=r"^disk: unit_price must be"):
        load(tmp_path, entry(), entry(name='"disk"', unit_price="1"))


@pytest.mark.parametrize(
    "text",
    ["rates = []", "rate = 1", "[rate]\nname = 1", "title = 'x'\n" + entry(), entry() + "[other]"],
)
def test_file_holds_rates_and_nothing_else(tmp_path: Path, text: str) -> None:
    with pytest.raises(RatesError, match=r"must hold \[\[rate\]\] tables and nothing else"):
        load(tmp_path, text)


def test_list_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RatesError, match="Rate 1 is no table"):
        load(tmp_path, "rate = [1]")


def test_empty_file_holds_no_rates(tmp_path: Path) -> None:
    assert list(load(tmp_path, "# nothing yet")) == []


@pytest.mark.parametrize("content", [b"[[rate", b"\xff\xfe", b"a = 1\na = 2"])
def test_file_that_is_no_toml_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rates.toml"
    path.write_bytes(content)

    with pytest.raises(RatesError, match="is no TOML"):
        RateBook.load(path)


@pytest.mark.parametrize("place", ["nowhere.toml", "."])
def test_file_that_cannot_be_read_is_named(tmp_path: Path, place: str) -> None:
    path = tmp_path / place

    with pytest.raises(RatesError, match="can't be read") as refused:
        RateBook.load(path)

    assert str(path) in str(refused.value)


@pytest.mark.parametrize("date", ["2026-01-01", "2026-01-01T09:00:00+09:00"])
def test_two_prices_cannot_hold_from_one_moment(tmp_path: Path, date: str) -> None:
    with pytest.raises(RatesError, match=r"machine.small .usd. has two prices from 2026-01-01"):
        load(tmp_path, entry(), entry(unit_price='"1"', active_from=date))


def test_name_has_one_unit_in_all_versions_and_currencies(tmp_path: Path) -> None:
    for change in ({"active_from": "2026-02-01"}, {"currency": '"eur"'}):
        with pytest.raises(RatesError, match="in minutes and in events"):
            load(tmp_path, entry(), entry(unit='"count"', **change))


def versions(*prices: str, **changes: Any) -> list[str]:
    return [
        entry(unit_price=f'"{price}"', active_from=f"2026-0{month}-01", **changes)
        for month, price in enumerate(prices, 1)
    ]


@pytest.mark.parametrize(
    "prices", [("0.001", "0.0051"), ("0.0051", "0.001"), ("0", "1"), ("1", "0")]
)
def test_price_that_jumps_is_suspicious(tmp_path: Path, prices: tuple[str, str]) -> None:
    book = load(tmp_path, *versions(*prices), *versions("5", "6", name='"disk"'))

    [suspicion] = book.suspicions()

    assert suspicion == (
        f"machine.small (usd) jumps from {prices[0]} to {prices[1]} on 2026-02-01."
    )


@pytest.mark.parametrize("prices", [("0.001", "0.005", "0.001"), ("0", "0"), ("3",)])
def test_price_that_moves_a_little_is_not(tmp_path: Path, prices: tuple[str, ...]) -> None:
    assert list(load(tmp_path, *versions(*prices)).suspicions()) == []


def test_each_version_is_compared_with_the_one_before_it(tmp_path: Path) -> None:
    slowly = versions("1", "4", "16")
    other_currency = versions("300", "310", currency='"huf"')

    assert list(load(tmp_path, *slowly, *other_currency).suspicions()) == []


def test_currency_that_others_have_and_a_rate_lacks_is_suspicious(book: RateBook) -> None:
    found = list(book.suspicions())

    assert [text.partition(",")[0] for text in found] == [
        "disk.gb has no price in eur",
        "machine.large has no price in eur",
        "tokens has no price in eur",
    ]
