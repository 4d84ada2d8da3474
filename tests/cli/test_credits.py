"""`flask billing credits` and `codes`: what they do, what they refuse, and what they print."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from flask_billing import Credit, clock, credits
from tests.cli.conftest import Shell
from tests.host import Project, db


@pytest.fixture
def host(stocked: Shell) -> Shell:
    """A host with two projects."""
    with stocked.app.app_context():
        db.session.add_all([Project(id=1, name="north"), Project(id=2, name="south")])
        db.session.commit()
    return stocked


def balances(host: Shell) -> tuple[int, int]:
    with host.app.app_context():
        return credits.balance("1"), credits.balance("2")


def test_credit_is_granted_listed_and_taken_back(host: Shell) -> None:
    granted = host.billing("credits", "grant", "1", "25.00", "--reason", "goodwill", "--by", "7")
    host.billing("credits", "grant", "2", "1.5", "--reason", "goodwill")
    listed = host.billing("credits", "list", "1")
    [credit_id] = re.findall(r"as ([0-9a-f-]{36})\.", granted.output)
    reversed_ = host.billing("credits", "reverse", credit_id, "--reason", "mistake")

    assert "Granted 25.00 USD" in granted.output
    assert "Left now: 25.00 USD." in granted.output
    assert credit_id in listed.output
    assert "goodwill  25.00 USD  25.00 USD" in listed.output
    assert reversed_.output == "Took back 25.00 USD.\n"
    assert balances(host) == (0, 150)


def test_dry_run_changes_nothing(host: Shell) -> None:
    granted = host.billing("credits", "grant", "1", "5", "--reason", "goodwill", "--dry-run")
    with host.app.app_context():
        credit = credits.grant("2", 100, reason="goodwill")
        credit_id = str(credit.id)
    reversed_ = host.billing("credits", "reverse", credit_id, "--reason", "mistake", "--dry-run")

    assert granted.output == "Nothing was granted. 5 USD could be.\n"
    assert reversed_.output == "Nothing was taken back. 1.00 USD would be.\n"
    assert balances(host) == (0, 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["3", "5", "--reason", "goodwill"], "There is no project '3'."),
        (["1", "5.001", "--reason", "goodwill"], "more decimals than the currency"),
        (["1", "0", "--reason", "goodwill"], "an amount is above 0, such as 25.00."),
        (["1", "5", "--reason", "A gift"], "one word of small letters"),
        (["1", "5", "--reason", "gift", "--by", "ann@example.com"], "by an id"),
        (["1", "5", "--reason", "gift", "--expires", "2020-01-01"], "expired already"),
        (["1", "five", "--reason", "gift"], "is no number"),
        (["1", "9" * 16, "--reason", "gift"], "at most 15 digits before the point"),
        (["1", "9" * 15, "--reason", "gift"], "amounts are below 10,000,000,000,000.00 USD."),
        (["1", "-5", "--reason", "gift"], "above 0"),
        (["1", "5", "--reason", "gift", "--by", "4\x002"], "by an id"),
        (["1", "5", "--reason", "gift", "--currency", "zzz"], "billed in 'zzz'"),
        (["1", "5", "--reason", "gift", "--expires", "3d"], "is no date. Write 2026-05-01"),
    ],
)
def test_what_cannot_be_granted_is_refused_in_one_line(
    host: Shell, words: list[str], message: str
) -> None:
    result = host.billing("credits", "grant", *words)

    assert result.exit_code != 0
    assert message in result.output
    assert balances(host) == (0, 0)


def test_unknown_credit_is_refused(host: Shell) -> None:
    unknown = "00000000-0000-7000-8000-000000000000"

    result = host.billing("credits", "reverse", unknown, "--reason", "mistake")

    assert (result.exit_code, f"There is no credit {unknown}." in result.output) == (1, True)


def test_project_without_credit_says_so(host: Shell) -> None:
    assert host.billing("credits", "list", "1").output == "No credit was granted to this project.\n"


def test_codes_are_made_listed_and_ended(host: Shell) -> None:
    made = host.billing("codes", "create", "10", "--count", "2", "--max-uses", "1")
    given = host.billing("codes", "create", "5", "--code", "spring-26", "--days", "30")
    first, second = made.output.split()
    with host.app.app_context():
        credits.redeem("1", first)
        spring = credits.redeem("2", "SPRING26")
        lasts = spring.expires_at
    usable = host.billing("codes", "list").output
    ended = host.billing("codes", "end", "Spring-26").output
    every = host.billing("codes", "list", "--all").output

    assert re.fullmatch(r"[2-9A-Z]{4}(-[2-9A-Z]{4}){3}", second)
    assert given.output == "SPRI-NG26\n"
    assert lasts is not None
    assert timedelta(days=29) < lasts - clock.now() < timedelta(days=31)
    assert second in usable
    assert first not in usable
    assert "1 of any" in usable
    assert ended == "Ended. It was used once.\n"
    assert [line.rsplit("  ")[-1] for line in every.splitlines()[1:]].count("used up") == 1
    assert sum(line.endswith("ended") for line in every.splitlines()) == 1
    assert balances(host) == (1000, 500)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["create", "5", "--code", "A"], "4 to 40"),
        (["create", "5", "--code", "SPRING", "--count", "2"], "--count asks for several"),
        (["create", "5", "--currency", "euro"], "three letters"),
        (["create", "5", "--currency", "xyz"], "here one of: usd ("),
        (["create", "-10"], "above 0"),
        (["create", "5", "--expires", "3d"], "is no date. Write 2026-05-01"),
        (["end", "nothing"], "There is no such code."),
    ],
)
def test_what_can_be_no_code_is_refused(host: Shell, words: list[str], message: str) -> None:
    result = host.billing("codes", *words)

    assert result.exit_code != 0
    assert message in result.output


def test_nothing_is_granted_by_making_a_code(host: Shell) -> None:
    host.billing("codes", "create", "5")

    with host.app.app_context():
        assert db.session.scalars(select(Credit)).all() == []
    assert "There is no code" not in host.billing("codes", "list").output
