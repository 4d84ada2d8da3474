"""`flask billing discounts` and `allowances`: dated rows that staff makes and ends."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flask_billing import clock, invoicing
from flask_billing.sandbox import Sandbox
from tests.cli.conftest import Shell
from tests.host import Project, db

RATES = Path(__file__).resolve().parents[1] / "rates.toml"
UUID = r"[0-9a-f-]{36}"


@pytest.fixture
def settings(stripe_sandbox: Sandbox) -> dict[str, Any]:
    return {
        "STRIPE_SECRET_KEY": stripe_sandbox.secret_key,
        "STRIPE_API_BASE": stripe_sandbox.url,
        "BILLING_RATES": str(RATES),
    }


@pytest.fixture
def host(stocked: Shell) -> Any:
    """A host with two projects, in the middle of June."""
    with clock.moved(lambda: datetime(2026, 6, 15, 12, tzinfo=UTC)):
        with stocked.app.app_context():
            db.session.add_all([Project(id=1, name="north"), Project(id=2, name="south")])
            db.session.commit()
        yield stocked


def test_discount_is_added_listed_and_ended(host: Shell) -> None:
    words = ["--from", "2026-06-01", "--until", "2026-09-01", "--reason", "partner"]
    added = host.billing("discounts", "add", "1", "12.5", "--rate", "machine.small", *words)
    host.billing("discounts", "add", "2", "5", "--reason", "partner")
    [discount_id] = re.findall(UUID, added.output)
    listed = host.billing("discounts", "list", "1").output
    ended = host.billing("discounts", "end", discount_id, "--at", "2026-07-01").output
    host.billing("discounts", "end", discount_id)

    assert "12.50 % off rate machine.small" in added.output
    assert "2026-06-01 00:00:00Z until 2026-09-01 00:00:00Z" in added.output
    assert discount_id in listed
    assert len(listed.splitlines()) == 2
    assert "until 2026-07-01" in ended
    assert host.billing("discounts", "list", "1").output == "This project has no discount.\n"
    assert discount_id in host.billing("discounts", "list", "1", "--all").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["1", "0"], "above 0 and at most 100"),
        (["1", "100.01"], "above 0 and at most 100"),
        (["1", "5.005"], "two decimals"),
        (["1", "5", "--rate", "machine.tiny"], "There is no rate 'machine.tiny'. There are: api."),
        (["1", "5", "--group", "machine"], "There is no group 'machine'."),
        (["1", "5", "--resource", "nothing", "7"], "There is no table 'nothing' of yours."),
        (["1", "5", "--resource", "billed_project", "7"], "There is no table 'billed_project'"),
        (["1", "5", "--resource", "machine", "ann@example.com"], "visible ASCII characters"),
        (["1", "5", "--resource", "machine", "Ann Example"], "visible ASCII characters"),
        (["1", "-5"], "above 0 and at most 100"),
        (["1", "5", "--until", "3d"], "'3d' is no date"),
        (["1", "5", "--rate", "api.call", "--group", "api"], "Give one of"),
        (["1", "5", "--from", "2026-05-31"], "before this month"),
        (["1", "5", "--until", "2026-06-15T11:00"], "in the future"),
        (["3", "5"], "There is no project '3'."),
    ],
)
def test_discount_that_cannot_be_meant_is_refused(
    host: Shell, words: list[str], message: str
) -> None:
    result = host.billing("discounts", "add", *words, "--reason", "partner")

    assert result.exit_code != 0
    assert message in result.output
    with host.app.app_context():
        assert invoicing.discounts_of("1", ended=True) == []


def test_discount_never_ends_in_the_past_nor_twice(host: Shell) -> None:
    given = host.billing("discounts", "add", "1", "5", "--reason", "partner")
    [discount_id] = re.findall(UUID, given.output)

    past = host.billing("discounts", "end", discount_id, "--at", "2026-06-15T11:59")
    host.billing("discounts", "end", discount_id)
    again = host.billing("discounts", "end", discount_id)

    assert "can't end in the past" in past.output
    assert "It ends by itself on 2026-06-15 12:00" in again.output


def test_discount_that_has_not_begun_ends_before_it_begins(host: Shell) -> None:
    words = ["--from", "2026-08-01", "--reason", "partner"]
    given = host.billing("discounts", "add", "1", "5", "--resource", "machine", "7", *words)
    [discount_id] = re.findall(UUID, given.output)

    ended = host.billing("discounts", "end", discount_id)

    assert "5.00 % off machine 7 from 2026-08-01 00:00:00Z until 2026-08-01" in ended.output


def test_allowance_is_added_for_all_or_one_and_ended(host: Shell) -> None:
    words = ["--reason", "free_tier"]
    common = host.billing("allowances", "add", "1000", "--rate", "api.call", *words)
    host.billing("allowances", "add", "0.5", "--group", "disks", "--project", "1", *words)
    [allowance_id] = re.findall(UUID, common.output)
    every, first = (host.billing("allowances", "list", *key).output for key in ([], ["1"]))
    host.billing("allowances", "end", allowance_id)

    assert common.output.startswith("1000 of rate api.call free for every project")
    assert f"{allowance_id}      1000  rate api.call" in every
    assert " 0.5  group disks" in first
    assert allowance_id in every
    assert ("rate api.call" in every, "group disks" in every) == (True, False)
    assert ("rate api.call" in first, "group disks" in first) == (False, True)
    assert host.billing("allowances", "list").output == "There is no allowance.\n"
    assert allowance_id in host.billing("allowances", "list", "--all").output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["0", "--rate", "api.call"], "above 0"),
        (["1.0000001", "--rate", "api.call"], "six decimals"),
        (["1000000000000", "--rate", "api.call"], "a million millions"),
        (["5", "--rate", "api"], "There is no rate 'api'."),
        (["5"], "Give one of"),
        (["5", "--rate", "api.call", "--project", "3"], "There is no project '3'."),
        (["5", "--rate", "api.call", "--from", "2026-05-01"], "before this month"),
    ],
)
def test_allowance_that_cannot_be_meant_is_refused(
    host: Shell, words: list[str], message: str
) -> None:
    result = host.billing("allowances", "add", *words, "--reason", "free_tier")

    assert result.exit_code != 0
    assert message in result.output
    with host.app.app_context():
        assert invoicing.allowances_of(None, ended=True) == []
