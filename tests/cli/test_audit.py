"""Every command with which staff change something is in the audit log, and no other one is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import click
import pytest

from flask_billing import auditing, collecting, credits, invoicing
from flask_billing.ids import uuid7
from flask_billing.models import AuditEntry, PaymentMethod
from flask_billing.sandbox import Sandbox
from flask_billing.web.staff import words as staff_words
from flask_billing.web.staff.deeds import DEEDS as DEEDS_OF_PAGES
from tests.cli.conftest import Shell, event
from tests.cli.test_help import COMMANDS
from tests.collecting import world
from tests.docs.pages import code, rows, sections
from tests.host import db
from tests.invoicing.books import RATES, at, invoices, month, new_project, now, usage

CODE = "SPRING26"


class Deed(NamedTuple):
    """A command, the rest of what is typed, and what its entry says."""

    command: str
    rest: str
    action: str
    object_type: str
    object_id: str

    @property
    def typed(self) -> str:
        return f"{self.command} {self.rest}"


DEEDS = [
    Deed("adjust", "{project} 5.00 --reason outage", "adjust", "project", "{project}"),
    Deed("allowances add", "5 --rate api.call --reason vip", "add_allowance", "project", "all"),
    Deed(
        "allowances add",
        "5 --rate api.call --project {project} --reason vip",
        "add_allowance",
        "project",
        "{project}",
    ),
    Deed("allowances end", "{allowance}", "end_allowance", "allowance", "{allowance}"),
    Deed("close", "--accept", "accept_parked", "project", "all"),
    Deed("close", "--accept --project {project}", "accept_parked", "project", "{project}"),
    Deed("close", "--period 2026-06 --project {project}", "close_month", "project", "{project}"),
    Deed("codes create", "5 --count 3", "make_codes", "credit_code", "3 new"),
    Deed("codes end", "spring-26", "end_code", "credit_code", "{code}"),
    Deed("credits grant", "{project} 5 --reason gift", "grant_credit", "project", "{project}"),
    Deed("credits reverse", "{credit} --reason mistake", "reverse_credit", "credit", "{credit}"),
    Deed("discounts add", "{project} 5 --reason vip", "add_discount", "project", "{project}"),
    Deed("discounts end", "{discount}", "end_discount", "discount", "{discount}"),
    Deed("events replay", "evt_1", "repeat_event", "event", "evt_1"),
    Deed("events replay", "--all", "repeat_event", "event", "2 of them"),
    Deed("events replay", "--from-stripe", "fetch_events", "event", "all"),
    Deed("invoices void", "{invoice} --reason wrong", "void", "invoice", "{invoice}"),
    Deed("methods accept", "{method}", "accept_method", "payment_method", "{method}"),
    Deed(
        "rates migrate",
        "--rate machine.small --at 2026-07-01",
        "migrate_rate",
        "rate",
        "machine.small",
    ),
    Deed("reconcile metering", "--mend", "mend_metering", "project", "all"),
    Deed(
        "reconcile metering",
        "--mend --project {project}",
        "mend_metering",
        "project",
        "{project}",
    ),
    Deed("reconcile stripe", "--fix", "fix_rows", "billing_info", "all"),
    Deed("refund", "{paid} --reason goodwill", "refund", "invoice", "{paid}"),
    Deed("retry", "{unpaid}", "retry", "invoice", "{unpaid}"),
    Deed("terms", "{project} 30", "set_terms", "project", "{project}"),
    Deed("unpark", "{parked}", "unpark", "invoice", "{parked}"),
    Deed("write-off", "{unpaid} --reason insolvent", "write_off", "invoice", "{unpaid}"),
]

#: What only looks, what a worker does as well, and what sets the app up.
WITHOUT_ENTRY = {
    "allowances list",
    "audit",
    "check",
    "codes list",
    "collect",
    "credits list",
    "discounts list",
    "events list",
    "events show",
    "install-migrations",
    "invoices list",
    "invoices show",
    "rates check",
    "rates list",
    "report",
    "run",
    "sandbox",
    "sync",
    "webhook-endpoint check",
    "webhook-endpoint create",
    "webhook-endpoint rotate",
}


@pytest.fixture
def settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Those of a host that has rates."""
    return settings | {"BILLING_RATES": RATES}


@pytest.fixture(autouse=True)
def _now() -> Iterator[None]:
    with now(at(7, 5)):
        yield


@pytest.fixture
def ids(stocked: Shell) -> dict[str, str]:
    """The ids of something of every kind that needs no Stripe; June is closed."""
    with stocked.app.app_context():
        key = new_project()
        usage(key, at(6, 2), 100_000)
        invoicing.close(month(6))
        rate = {"scope": "rate", "target": "api.call", "reason": "vip"}
        db.session.add_all([event(1), event(2)])
        db.session.commit()
        made = {
            "allowance": invoicing.allow(None, 5, **rate),
            "credit": credits.grant(key, 500, reason="gift"),
            "code": credits.make_code(500, code=CODE),
            "discount": invoicing.discount(key, 5, reason="vip"),
            "invoice": invoices(key)[0],
        }
        return {"project": key} | {name: str(row.id) for name, row in made.items()}


@pytest.fixture
def paying(stocked: Shell, stripe_sandbox: Sandbox, ids: dict[str, str]) -> dict[str, str]:
    """The same, with what has been at Stripe."""
    with stocked.app.app_context():
        paid = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)
        unpaid, parked = (
            world.new_invoice(world.new_owner(stripe_sandbox, world.BAD), 1000) for _ in range(2)
        )
        collecting.collect()
        world.set_collection(parked, state="parked", reason="amount_differs")
        method = db.session.scalars(db.select(PaymentMethod).order_by(PaymentMethod.id)).first()
        assert method is not None
        method.refusal = "disputed"
        db.session.commit()
        made = {"paid": paid, "unpaid": unpaid, "parked": parked, "method": method.id}
        return ids | {name: str(row_id) for name, row_id in made.items()}


def entries(shell: Shell) -> list[AuditEntry]:
    with shell.app.app_context():
        return list(auditing.entries())


def test_every_command_is_noted_or_known_to_need_no_entry() -> None:
    leaves = {name for name, each in COMMANDS.items() if not isinstance(each, click.Group)}
    noted = {deed.command for deed in DEEDS}

    assert noted | WITHOUT_ENTRY == leaves
    assert noted & WITHOUT_ENTRY == set()


def test_every_command_that_is_noted_asks_who_does_it() -> None:
    asking = {name for name, each in COMMANDS.items() if "made_by" in {p.name for p in each.params}}

    assert asking == {deed.command for deed in DEEDS}


@pytest.mark.parametrize("deed", DEEDS, ids=lambda deed: deed.typed)
def test_what_staff_does_is_noted_once_with_who_it_was(
    stocked: Shell, request: pytest.FixtureRequest, deed: Deed
) -> None:
    ids = request.getfixturevalue("paying" if _is_at_stripe(deed) else "ids")

    result = stocked.billing(*deed.typed.format(**ids).split(), "--by", "7")

    [entry] = entries(stocked)
    assert (entry.action, entry.object_type) == (deed.action, deed.object_type)
    assert entry.object_id == deed.object_id.format(**ids)
    assert (entry.made_by, entry.way, entry.outcome) == ("7", "cli", "done"), result.output
    if "--reason" in deed.rest:
        assert f"--reason {entry.reason}" in deed.rest
    if entry.object_type == "project":
        assert entry.project_key == (None if entry.object_id == "all" else ids["project"])


def _is_at_stripe(deed: Deed) -> bool:
    return re.search("{(paid|unpaid|parked|method)}", deed.rest) is not None


DRY = [
    deed.typed
    for deed in DEEDS
    if any("--dry-run" in p.opts for p in COMMANDS[deed.command].params)
    and "--from-stripe" not in deed.rest
    and not _is_at_stripe(deed)
]


@pytest.mark.parametrize(
    "typed",
    [
        *(f"{typed} --dry-run" for typed in DRY),
        "close",
        "close --period 2026-06",
        "close --project {project}",
        "collect",
        "reconcile metering",
        "reconcile stripe",
        "sync",
        "terms {project}",
    ],
)
def test_what_only_looks_or_a_worker_would_do_is_not_noted(
    stocked: Shell, ids: dict[str, str], typed: str
) -> None:
    stocked.billing(*typed.format(**ids).split())

    assert entries(stocked) == []


@pytest.mark.parametrize(
    "typed",
    [
        "adjust Ann 5 --reason outage",
        "adjust {project} 5.001 --reason outage",
        "adjust {project} 5 --reason For-Ann",
        "allowances add 5 --rate api.call --project Ann --reason vip",
        "close --accept --project Ann",
        "close --accept --by ann@example.com",
        "codes create 5 --currency ann",
        "codes end Ann",
        "credits grant Ann 5 --reason gift",
        "credits grant Ann 5 --currency usd --reason gift",
        "credits grant {project} 5 --currency ann --reason gift",
        "credits reverse {unknown} --reason mistake",
        "discounts add Ann 5 --reason vip",
        "events replay --from-stripe --by ann@example.com",
        "rates migrate --rate Ann --at 2026-07-01",
        "reconcile metering --mend --project Ann",
        "reconcile metering --mend --by ann@example.com",
        "reconcile stripe --fix --by ann@example.com",
    ],
)
def test_what_is_no_key_or_id_never_gets_into_the_log(
    stocked: Shell, ids: dict[str, str], typed: str
) -> None:
    result = stocked.billing(*typed.format(**ids, unknown=uuid7()).split())

    assert result.exit_code == 1
    assert result.output.count("\n") == 1
    assert entries(stocked) == []


def test_what_is_refused_is_noted_as_refused(stocked: Shell, ids: dict[str, str]) -> None:
    for typed in (
        "credits grant {project} 5 --reason gift --expires 2026-07-04",
        "discounts add {project} 101 --reason vip",
        "discounts end {discount} --at 2026-07-04",
        "allowances end {unknown}",
        "close --accept --period 2026-08",
        "reconcile stripe --fix --after nowhere",
        "rates migrate --rate machine.small --at 2027-01-01",
    ):
        result = stocked.billing(*typed.format(**ids, unknown=uuid7()).split())
        assert result.exit_code != 0, typed

    assert [entry.outcome for entry in entries(stocked)] == ["refused"] * 7


def test_stripe_that_did_not_answer_is_noted_as_unknown(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("GET /v1/events", how="error_500", times=9)

    stocked.billing("events", "replay", "--from-stripe")

    assert [entry.outcome for entry in entries(stocked)] == ["unknown"]


def test_amounts_are_noted_in_minor_units(stocked: Shell, ids: dict[str, str]) -> None:
    for typed in (
        "credits grant {project} 1.50 --reason gift",
        "credits reverse {credit} --reason mistake",
        "codes create 7 --count 2",
        "adjust {project} -2.25 --reason outage",
    ):
        stocked.billing(*typed.format(**ids).split())

    noted = [(entry.amount, entry.currency) for entry in reversed(entries(stocked))]
    assert noted == [(150, "usd"), (500, "usd"), (700, "usd"), (-225, "usd")]


def test_code_that_grants_credit_is_never_in_the_log(stocked: Shell, ids: dict[str, str]) -> None:
    made = stocked.billing("codes", "create", "5").output.strip()
    stocked.billing("codes", "create", "5", "--code", CODE)
    stocked.billing("codes", "end", made)
    stocked.billing("codes", "end", CODE)

    found = entries(stocked)
    values = {str(value) for entry in found for value in vars(entry).values()}
    assert [e.outcome for e in reversed(found)] == ["done", "refused", "done", "done"]
    assert not values & {made, made.replace("-", ""), CODE}


def test_every_action_has_its_words_on_the_page_and_its_line_in_the_docs() -> None:
    actions = {deed.action for deed in DEEDS}
    described = rows(sections("command-line.md", level=2)["audit"])

    assert {deed.action for deed in DEEDS_OF_PAGES.values()} <= actions
    assert set(staff_words._ACTIONS) == actions
    assert sorted(code(row[0]) for row in described) == sorted(actions)
    for action, typed, _object in described:
        commands = [deed.command for deed in DEEDS if deed.action == code(action)]
        assert code(typed).startswith(tuple(commands)), action
