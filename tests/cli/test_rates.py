"""`flask billing rates` tells what holds when, what changed, and what looks like a slip."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from flask.cli import FlaskGroup
from sqlalchemy import func, select

from flask_billing import BillingRate, RateBook, projects
from flask_billing.metering import registry
from tests.cli.conftest import Shell
from tests.host import create_app, db
from tests.invoicing.books import at, new_project, now, record, usage

RATES = Path(__file__).parents[1] / "rates.toml"
SLIPS = ["disk.gb", "machine.large", "tokens"]


@pytest.fixture
def settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of a host that has rates."""
    return settings | {"BILLING_RATES": str(RATES)}


@pytest.fixture
def used(stocked: Shell) -> Shell:
    """A host that has used each of its rates."""
    use(stocked)
    return stocked


@pytest.fixture
def changed_file(tmp_path: Path) -> Callable[..., str]:
    """Writes another file of rates, in which texts are replaced by others."""

    def write(*pairs: tuple[str, str]) -> str:
        text = RATES.read_text()
        for old, new in pairs:
            assert old in text
            text = text.replace(old, new)
        path = tmp_path / "other.toml"
        path.write_text(text)
        return str(path)

    return write


def use(shell: Shell) -> None:
    with shell.app.app_context():
        registry.ensure(projects.connection(), list(book_of(shell)))
        db.session.commit()


def book_of(shell: Shell) -> RateBook:
    rates: RateBook = shell.app.extensions["billing"].settings.rates
    return rates


def deploy(shell: Shell, path: str) -> None:
    """Give the app another file of rates."""
    state = shell.app.extensions["billing"]
    state.settings = replace(state.settings, rates=RateBook.load(Path(path)))


def lines(output: str, mark: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in output.splitlines() if line.startswith(mark)]


def test_file_that_is_as_it_was_is_well(used: Shell) -> None:
    result = used.billing("rates", "check")

    assert result.exit_code == 0
    assert lines(result.output, "ok") == [
        "The file is valid: 8 rates, in eur, usd.",
        "No rate that was used has changed or is gone.",
    ]
    assert lines(result.output, "problem") == []


def test_changed_and_vanished_rates_are_problems(
    used: Shell, changed_file: Callable[..., str]
) -> None:
    path = changed_file(("0.0015375004", "0.0016"), ('"tokens"', '"token"'))

    before = used.billing("rates", "check", path)
    deploy(used, path)
    after = used.billing("rates", "check")

    assert before.exit_code == after.exit_code == 1
    assert before.output == after.output
    large, tokens = lines(after.output, "problem")
    assert large.startswith("machine.large (usd), which holds from 2026-01-01 on, was used and has")
    assert "unit_price was 0.0015375004 and is 0.0016" in large
    assert tokens.startswith("tokens (usd), which holds from 2026-01-01 on, was used and is gone")


def test_price_change_that_is_a_new_entry_is_well(
    used: Shell, changed_file: Callable[..., str]
) -> None:
    path = changed_file()
    with Path(path).open("a") as file:
        file.write(
            '[[rate]]\nname = "tokens"\nunit = "count"\nunit_price = "0.00000004"\n'
            'currency = "usd"\nactive_from = 2026-10-01\n'
        )

    result = used.billing("rates", "check", path)

    assert result.exit_code == 0
    assert "9 rates" in result.output


@pytest.mark.parametrize(("since", "hints"), [("2026-06-05", 1), ("2026-06-12", 0)])
def test_price_that_comes_after_its_date_is_a_hint(
    stocked: Shell, changed_file: Callable[..., str], since: str, hints: int
) -> None:
    path = changed_file()
    entry = '[[rate]]\nname = "{}"\nunit = "{}"\nunit_price = "{}"\ncurrency = "usd"\n'
    rates = [("api.call", "count", "0.0002"), ("machine.large", "minute", "0.0016")]
    with Path(path).open("a") as file:
        file.writelines(f"{entry.format(*rate)}active_from = {since}\n" for rate in rates)
    with stocked.app.app_context(), now(at(6, 11)):
        key = new_project()
        usage(key, at(6, 10), 5)
        before = stocked.billing("rates", "check", path)
        record(key, at(6, 10), rate="machine.large")
        after = stocked.billing("rates", "check", path)

    found = [lines(result.output, "hint") for result in (before, after)]
    late = [[text for text in texts if "was never used" in text] for texts in found]
    assert [len(texts) for texts in late] == [hints, 2 * hints]
    assert all(text.startswith(f"api.call (usd) from {since} on") for text in late[0])


def test_jumps_and_missing_currencies_are_hints(
    used: Shell, changed_file: Callable[..., str]
) -> None:
    path = changed_file(('"0.0004"', '"0.004"'))
    deploy(used, path)

    result = used.billing("rates", "check")

    jump, *missing = lines(result.output, "hint")
    assert jump.startswith("machine.small (usd) jumps from 0.0003843751 to 0.004 on 2026-07-01.")
    assert [hint.partition(" ")[0] for hint in missing] == SLIPS


@pytest.mark.parametrize(("words", "status"), [([], 0), (["--strict"], 1)])
def test_hints_fail_the_command_where_it_is_strict(
    used: Shell, words: list[str], status: int
) -> None:
    result = used.billing("rates", "check", *words)

    assert result.exit_code == status
    assert [hint.partition(" ")[0] for hint in lines(result.output, "hint")] == SLIPS


def test_strict_command_passes_where_there_is_no_hint(
    stocked: Shell, changed_file: Callable[..., str]
) -> None:
    path = changed_file(('"eur"', '"usd"'), ("0.00035", "0.00036"), ("2026-01-01", "2026-02-01"))
    text = Path(path).read_text().split("[[rate]]")
    kept = [part for part in text if '"0.00036"' not in part and '"0.00009"' not in part]
    Path(path).write_text("[[rate]]".join(kept))

    result = stocked.billing("rates", "check", "--strict", path)

    assert result.exit_code == 0, result.output


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (('"0.0001"', "0.0001"), "api.call: unit_price must be a decimal in quotes"),
        (("[[rate]]", "[[rates]]"), "must hold [[rate]] tables and nothing else"),
    ],
)
def test_file_that_is_not_valid_ends_the_command_in_one_line(
    used: Shell, changed_file: Callable[..., str], pair: tuple[str, str], told: str
) -> None:
    result = used.billing("rates", "check", changed_file(pair))

    assert result.exit_code == 1
    assert told in result.output
    assert result.output.startswith("Error: ")
    assert result.output.count("\n") == 1


def test_checking_writes_nothing(stocked: Shell) -> None:
    stocked.billing("rates", "check")

    with stocked.app.app_context():
        assert db.session.scalar(select(func.count()).select_from(BillingRate)) == 0


def test_file_can_be_checked_where_billing_is_off(sqlite_url: str, folder: Path) -> None:
    shell = Shell(create_app(sqlite_url, BILLING_RATES=str(RATES)), folder)

    result = shell.billing("rates", "check")

    assert result.exit_code == 0
    assert "The file is valid: 8 rates" in result.output
    assert "not compared with the database" in result.output


def test_app_without_rates_gets_a_hint(sqlite_url: str, folder: Path) -> None:
    shell = Shell(create_app(sqlite_url), folder)

    result = shell.billing("rates", "check")

    assert lines(result.output, "hint") == ["There are no rates: nothing is metered."]
    assert shell.billing("rates", "list").output == "There are no rates (BILLING_RATES).\n"


def test_all_versions_are_listed_with_the_time_in_which_they_hold(shell: Shell) -> None:
    result = shell.billing("rates", "list")

    headings, *rows = result.output.splitlines()
    assert headings.split() == ["rate", "price", "from", "until", "group", "description"]
    assert len(rows) == 8
    assert "machine.small  0.0003843751 USD a minute  2026-01-01  2026-07-01  machines" in rows[5]
    assert "machine.small  0.0004 USD a minute        2026-07-01              machines" in rows[6]
    assert rows[7].split() == ["tokens", "0.00000005", "USD", "each", "2026-01-01", "api", "Token"]
    assert {row.index(" 2026-") for row in rows} == {headings.index(" from")}


@pytest.mark.parametrize(
    ("moment", "price"),
    [
        ("2026-06-30T23:59:59", "0.0003843751"),
        ("2026-07-01", "0.0004"),
        ("2026-07-01T01:00+02:00", "0.0003843751"),
        ("2030-01-01", "0.0004"),
    ],
)
def test_what_holds_at_a_moment_is_listed_alone(shell: Shell, moment: str, price: str) -> None:
    result = shell.billing("rates", "list", "--at", moment, "--json")

    found = {(rate["name"], rate["currency"]): rate for rate in json.loads(result.output)}
    assert len(found) == len(json.loads(result.output)) == 7
    assert found["machine.small", "usd"]["unit_price"] == price
    assert found["machine.small", "eur"]["unit_price"] == "0.00035"


def test_before_the_first_rate_none_holds(shell: Shell) -> None:
    text = shell.billing("rates", "list", "--at", "2025-12-31T23:59")
    as_json = shell.billing("rates", "list", "--at", "2025-12-31T23:59", "--json")

    assert text.output == "No rate holds then.\n"
    assert json.loads(as_json.output) == []


def test_json_says_all_that_is_known_of_a_rate(shell: Shell) -> None:
    result = shell.billing("rates", "list", "--json")

    rates = json.loads(result.output)
    assert rates[5] == {
        "id": "cab8c838-aa18-5a36-b74d-e138de35d8f2",
        "name": "machine.small",
        "unit": "minute",
        "unit_price": "0.0003843751",
        "currency": "usd",
        "active_from": "2026-01-01T00:00:00+00:00",
        "active_until": "2026-07-01T00:00:00+00:00",
        "group": "machines",
        "description": "Small machine",
    }
    assert rates[6]["active_until"] is None
    assert Decimal(rates[7]["unit_price"]) == Decimal("0.00000005")


def test_moment_that_is_none_is_refused(shell: Shell) -> None:
    result = shell.billing("rates", "list", "--at", "soon")

    assert result.exit_code == 2
    assert "'soon' is no moment" in result.output


def test_check_of_everything_tells_of_rates_too(
    ready: Shell, changed_file: Callable[..., str]
) -> None:
    use(ready)

    before = ready.billing("check")
    deploy(ready, changed_file(("0.0015375004", "0.0016"), ('"tokens"', '"token"')))
    after = ready.billing("check")

    assert before.exit_code == 0
    assert "No rate that was used has changed or is gone." in before.output
    assert after.exit_code == 1
    assert [text.partition(" ")[0] for text in lines(after.output, "problem")] == [
        "machine.large",
        "tokens",
    ]


def test_app_whose_own_file_cannot_be_meant_says_so_in_one_line(
    sqlite_url: str, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text('[[rate]]\nname = "api.call"\nunit_price = 1.5\n')
    group = FlaskGroup(create_app=lambda: create_app(sqlite_url, BILLING_RATES=str(broken)))

    result = CliRunner().invoke(group, ["billing", "rates", "check", str(RATES)])

    assert result.exit_code == 1
    [line] = result.output.splitlines()
    assert line.startswith("Error: BILLING_RATES: ")
    assert "api.call" in line
