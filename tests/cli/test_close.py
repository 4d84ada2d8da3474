"""`flask billing close`, and what staff does with invoices from the command line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from flask_billing import invoicing
from tests.host import db
from tests.invoicing.books import (
    RATES,
    at,
    everything,
    invoices,
    new_project,
    now,
    remaining,
    row_of,
    usage,
)

if TYPE_CHECKING:
    from tests.cli.conftest import Shell


@pytest.fixture
def settings() -> dict[str, str]:
    return {"STRIPE_SECRET_KEY": "sk_test_1", "BILLING_RATES": RATES}


@pytest.fixture
def keys(stocked: Shell) -> Iterator[list[str]]:
    """Two projects that used something in June and in July."""
    with stocked.app.app_context():
        made = [new_project(), new_project()]
        for key in made:
            usage(key, at(6, 2), 100_000)
            usage(key, at(7, 2), 250_000)
        yield made


def test_months_that_have_ended_are_closed(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 5)):
        result = stocked.billing("close")
        again = stocked.billing("close")

    assert result.exit_code == again.exit_code == 0, result.output
    assert result.output == "Closed 4 periods, with 4 invoices.\n"
    assert again.output == "Nothing to close.\n"
    assert [invoice.due for invoice in invoices(keys[0])] == [1000, 2500]


def test_month_and_project_can_be_named(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 5)):
        result = stocked.billing("close", "--period", "2026-06", "--project", keys[1])

    assert result.output == "Closed 1 periods, with 1 invoices.\n"
    assert [len(invoices(key)) for key in keys] == [0, 1]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--period", "2026-08"], "2026-08 can't be closed yet"),
        (["--period", "2026-13"], "is no month"),
        (["--period", "soon"], "is no month"),
        (["--project", "77"], "There is no project"),
    ],
)
def test_what_cannot_be_closed_is_told(
    stocked: Shell, keys: list[str], words: list[str], text: str
) -> None:
    with now(at(8, 5)):
        result = stocked.billing("close", *words)

    assert result.exit_code != 0
    assert text in result.output
    assert "Traceback" not in result.output
    assert invoices(keys[0]) == []


def test_dry_run_tells_what_it_comes_to_and_writes_nothing(stocked: Shell, keys: list[str]) -> None:
    before = everything()

    with now(at(8, 5)):
        result = stocked.billing("close", "--dry-run")
        named = stocked.billing("close", "--dry-run", "--project", keys[0])

    assert result.exit_code == 0, result.output
    assert re.search(r"2026-06 +2 +2 +0 +20\.00 USD +0\.00 USD\n", result.output)
    assert re.search(r"2026-06 +1 +1 +0 +10\.00 USD", named.output)
    assert "Nothing was closed" in result.output
    assert everything() == before


def test_parked_project_is_named_and_fails_the_command(stocked: Shell, keys: list[str]) -> None:
    usage(keys[0], at(6, 3), -5)

    with now(at(8, 5)):
        dry = stocked.billing("close", "--dry-run")
        result = stocked.billing("close")
        checked = stocked.billing("check")
        accepted = stocked.billing("close", "--project", keys[0], "--accept")

    assert re.search(r"2026-06 +2 +1 +1 ", dry.output)
    assert result.exit_code == 1
    assert "Parked 1." in result.output
    assert f"Project {keys[0]} from 2026-06-01 on: a quantity is negative." in result.output
    assert f"Project {keys[0]} is parked from 2026-06-01 on" in checked.output
    assert accepted.exit_code == 1
    assert len(invoices(keys[1])) == 2


def test_check_tells_of_months_that_nobody_closed(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 1, 12)):
        soon = stocked.billing("check")
    with now(at(8, 3)):
        late = stocked.billing("check")
        stocked.billing("close")
        closed = stocked.billing("check")

    assert "ended over a day ago and are not closed: 2" in soon.output
    assert "ended over a day ago and are not closed: 4" in late.output
    assert "every month that has ended is closed" in closed.output


def test_run_closes_what_has_ended(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 5)):
        result = stocked.billing("run", "--once")

    assert "4 periods closed" in result.output
    assert row_of(keys[0]).closed_until == at(8)


def test_run_fails_while_a_project_is_parked_by_it(stocked: Shell, keys: list[str]) -> None:
    usage(keys[0], at(6, 3), -5)

    with now(at(8, 5)):
        result = stocked.billing("run", "--once")

    assert "2 periods closed, 1 project parked" in result.output
    assert result.exit_code == 1


def test_correction_is_added_to_the_next_invoice(stocked: Shell, keys: list[str]) -> None:
    with now(at(7, 5)):
        dry = stocked.billing("adjust", keys[0], "-5.00", "--reason", "outage", "--dry-run")
        result = stocked.billing("adjust", keys[0], "-5.00", "--reason", "outage", "--by", "42")
        waiting = [(a.amount, a.reason, a.made_by) for a in invoicing.adjustments_of(keys[0])]
    with now(at(8, 5)):
        stocked.billing("close")

    assert "Nothing was added. -5.00 USD could be." in dry.output
    assert result.output.startswith("Added -5.00 USD to the next invoice")
    assert waiting == [(-500, "outage", "42")]
    assert [invoice.adjusted for invoice in invoices(keys[0])] == [0, -500]


@pytest.mark.parametrize(
    "words",
    [
        ["1.005", "--reason", "outage"],
        ["1", "--reason", "Ann asked"],
        ["1", "--reason", "outage", "--by", "ann@example.com"],
    ],
)
def test_correction_that_cannot_be_meant_is_refused(
    stocked: Shell, keys: list[str], words: list[str]
) -> None:
    result = stocked.billing("adjust", keys[0], *words)

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert invoicing.adjustments_of(keys[0]) == []


def test_invoices_are_listed_and_shown(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 5)):
        stocked.billing("close")
    june, july = invoices(keys[0])

    listed = stocked.billing("invoices", "list", keys[0])
    shown = stocked.billing("invoices", "show", str(july.id))
    none = stocked.billing("invoices", "list", new_project())

    rows = listed.output.splitlines()[1:]
    assert [row.split()[:3] for row in rows] == [
        [str(july.id), "2026-07", "closed"],
        [str(june.id), "2026-06", "closed"],
    ]
    assert "api (usage, 1 line): 25.00 USD" in shown.output
    assert "due: 25.00 USD" in shown.output
    assert none.output == "This project has no invoice.\n"


def test_void_invoice_can_be_issued_anew(stocked: Shell, keys: list[str]) -> None:
    with now(at(8, 5)):
        stocked.billing("close")
        june = str(invoices(keys[0])[0].id)
        before = everything()

        dry = stocked.billing("invoices", "void", june, "--reason", "wrong_price", "--dry-run")
        unchanged = everything()
        result = stocked.billing("invoices", "void", june, "--reason", "wrong_price", "--by", "7")
        again = stocked.billing("invoices", "void", june, "--reason", "wrong_price")
        shown = stocked.billing("invoices", "show", june)
        reissued = stocked.billing("close", "--period", "2026-06", "--project", keys[0])

    assert (dry.exit_code, unchanged) == (0, before)
    assert f"flask billing close --period 2026-06 --project {keys[0]}" in result.output
    assert (again.exit_code, f"The invoice {june} is void." in again.output) == (1, True)
    assert "by 7: wrong_price" in shown.output
    assert reissued.output == "Closed 1 periods, with 1 invoices.\n"
    assert [i.state for i in invoices(keys[0])] in (
        ["void", "closed", "closed"],
        ["closed", "void", "closed"],
    )
    assert remaining(keys[0]) == []
    db.session.rollback()


def test_later_months_do_not_wait_for_what_is_void_for_good(
    stocked: Shell, keys: list[str]
) -> None:
    with now(at(7, 5)):
        stocked.billing("close")
        for key, words in zip(keys, ([], ["--for-good"]), strict=True):
            june = str(invoices(key)[0].id)
            stocked.billing("invoices", "void", june, "--reason", "mistake", *words)
        checked = stocked.billing("check")

    assert f"Project {keys[0]} is parked" in checked.output
    assert f"Project {keys[1]} is parked" not in checked.output


def test_dry_run_tells_what_would_be_issued_anew(stocked: Shell, keys: list[str]) -> None:
    words = ["close", "--period", "2026-06", "--project", keys[0]]
    with now(at(8, 5)):
        stocked.billing("close")
        [june, _] = invoices(keys[0])
        nothing = stocked.billing(*words, "--dry-run")
        stocked.billing("invoices", "void", str(june.id), "--reason", "wrong_price")
        before = everything()
        dry = stocked.billing(*words, "--dry-run")

    assert nothing.output == "Nothing to close.\n"
    assert re.search(r"2026-06 +1 +1 +0 +10\.00 USD", dry.output)
    assert everything() == before


@pytest.mark.parametrize("words", [[], ["--dry-run"]])
def test_dry_run_refuses_what_closing_refuses(
    stocked: Shell, keys: list[str], words: list[str]
) -> None:
    usage(keys[0], at(6, 3), -5)

    with now(at(8, 5)):
        stocked.billing("close")
        unknown = stocked.billing("close", "--project", "77", *words)
        parked = stocked.billing("close", "--project", keys[0], *words)

    assert (unknown.exit_code, "There is no project '77'." in unknown.output) == (1, True)
    assert (parked.exit_code, "is parked (negative_quantity)" in parked.output) == (1, True)


def test_void_invoice_that_nobody_issues_anew_is_told_of(stocked: Shell, keys: list[str]) -> None:
    command = f"flask billing close --period 2026-06 --project {keys[0]}"
    with now(at(8, 5)):
        stocked.billing("close")
        stocked.billing("invoices", "void", str(invoices(keys[0])[0].id), "--reason", "mistake")
        checked, told = stocked.billing("check").output, stocked.billing("report").stderr
        stocked.billing(*command.split()[2:])
        after = stocked.billing("check").output, stocked.billing("report").stderr

    assert f"2026-06 of project {keys[0]} waits to be issued anew" in checked
    assert command in checked
    assert "as their invoice is void: 1." in told
    assert not any("issued anew" in text for text in after)


@pytest.mark.parametrize("limit", ["0", "10001", "99999999999999999999"])
def test_list_of_invoices_has_a_limit_that_can_be_meant(
    stocked: Shell, keys: list[str], limit: str
) -> None:
    result = stocked.billing("invoices", "list", keys[0], "--limit", limit)

    assert (result.exit_code, "--limit" in result.output) == (2, True)


@pytest.mark.parametrize(
    "words",
    [
        ["invoices", "list"],
        ["credits", "list"],
        ["discounts", "list"],
        ["allowances", "list"],
        ["reconcile", "metering", "--project"],
    ],
)
def test_lists_tell_an_unknown_project_from_one_that_has_nothing(
    stocked: Shell, keys: list[str], words: list[str]
) -> None:
    unknown = stocked.billing(*words, "77")
    known = stocked.billing(*words, keys[0])

    assert (unknown.exit_code, "There is no project '77'." in unknown.output) == (1, True)
    assert known.exit_code == 0, known.output


@pytest.mark.parametrize(
    "words",
    [
        ["adjust", "1", "5", "--reason", "outage"],
        ["codes", "create", "5"],
        ["codes", "list"],
        ["credits", "grant", "1", "5", "--reason", "gift"],
        ["discounts", "list", "1"],
        ["allowances", "list"],
        ["invoices", "list", "1"],
        ["report", "--format", "json"],
    ],
)
def test_staff_is_not_told_that_all_went_well_where_billing_is_off(
    stocked: Shell, words: list[str]
) -> None:
    state = stocked.app.extensions["billing"]
    state.settings = replace(state.settings, secret_key=None)

    result = stocked.billing(*words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "Billing is off" in result.stderr
