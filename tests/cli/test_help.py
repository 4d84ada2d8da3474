"""Every command says what it is for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
import pytest

from flask_billing.cli import group
from tests.cli.conftest import Shell
from tests.host import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox


def commands(within: click.Group, *before: str) -> dict[str, click.Command]:
    """Every command by its words, those of groups too."""
    found: dict[str, click.Command] = {}
    for name, command in within.commands.items():
        found[" ".join((*before, name))] = command
        if isinstance(command, click.Group):
            found |= commands(command, *before, name)
    return found


COMMANDS = commands(group)


def test_group_lists_its_commands(shell: Shell) -> None:
    output = shell.billing("--help").output

    assert sorted(COMMANDS) == [
        "adjust",
        "allowances",
        "allowances add",
        "allowances end",
        "allowances list",
        "audit",
        "check",
        "close",
        "codes",
        "codes create",
        "codes end",
        "codes list",
        "collect",
        "credits",
        "credits grant",
        "credits list",
        "credits reverse",
        "discounts",
        "discounts add",
        "discounts end",
        "discounts list",
        "events",
        "events list",
        "events replay",
        "events show",
        "install-migrations",
        "invoices",
        "invoices list",
        "invoices show",
        "invoices void",
        "methods",
        "methods accept",
        "rates",
        "rates check",
        "rates list",
        "rates migrate",
        "reconcile",
        "reconcile metering",
        "reconcile stripe",
        "refund",
        "report",
        "retry",
        "run",
        "sandbox",
        "sync",
        "terms",
        "unpark",
        "webhook-endpoint",
        "webhook-endpoint check",
        "webhook-endpoint create",
        "webhook-endpoint rotate",
        "write-off",
    ]
    assert all(name in output for name in group.commands)
    assert "..." not in output.partition("Commands:")[2], "a summary does not fit its line"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_and_its_options_are_explained(shell: Shell, name: str) -> None:
    result = shell.billing(*name.split(), "--help")

    assert result.exit_code == 0
    assert COMMANDS[name].get_short_help_str().endswith(".")
    assert "..." not in result.output.partition("Commands:")[2], "a summary does not fit its line"
    options = [param for param in COMMANDS[name].params if isinstance(param, click.Option)]
    assert all(option.help for option in options)


@pytest.mark.parametrize(
    "name", ["events list", "reconcile stripe", "sync", "webhook-endpoint check"]
)
def test_billing_that_is_off_leaves_a_command_nothing_to_do(
    sqlite_url: str, folder: Path, name: str
) -> None:
    result = Shell(create_app(sqlite_url), folder).billing(*name.split())

    assert result.exit_code == 0
    assert result.output.startswith("Billing is off: STRIPE_SECRET_KEY is not set.")


@pytest.mark.parametrize("name", ["events list", "events show evt_1", "reconcile stripe", "sync"])
def test_database_without_tables_ends_a_command_without_a_traceback(
    shell: Shell, name: str
) -> None:
    result = shell.billing(*name.split())

    assert result.exit_code == 1
    assert "The database failed (OperationalError)." in result.output
    assert "SELECT" not in result.output


@pytest.mark.parametrize(
    "name",
    [
        "events replay --from-stripe",
        "reconcile stripe",
        "sync",
        "webhook-endpoint check",
        "webhook-endpoint create",
        "webhook-endpoint rotate",
    ],
)
def test_key_that_stripe_refuses_ends_a_command_without_a_traceback(
    stocked: Shell, stripe_sandbox: Sandbox, name: str
) -> None:
    stripe_sandbox.fail("GET /v1/*", how="refuse", status=401, message="Invalid API Key: sk_x")

    result = stocked.billing(*name.split())

    assert result.exit_code == 1
    assert "Stripe does not accept the key." in result.output
    assert "sk_" not in result.output


def test_app_that_serves_loads_neither_the_local_stripe_nor_the_sdk(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        import sys

        from tests.host import create_app

        create_app("sqlite://", STRIPE_SECRET_KEY="sk_test_1")
        print(sorted({"flask_billing.sandbox", "stripe"} & sys.modules.keys()))
        """
    )

    assert printed == "[]\n"
