"""Every command says what it is for."""

from __future__ import annotations

import pytest

from flask_billing.cli import group
from tests.cli.conftest import Shell


def test_group_lists_its_commands(shell: Shell) -> None:
    output = shell.billing("--help").output

    assert sorted(group.commands) == ["check", "install-migrations", "run", "sandbox"]
    assert all(name in output for name in group.commands)
    assert "..." not in output.partition("Commands:")[2], "a summary does not fit its line"


@pytest.mark.parametrize("name", sorted(group.commands))
def test_command_and_its_options_are_explained(shell: Shell, name: str) -> None:
    result = shell.billing(name, "--help")

    assert result.exit_code == 0
    assert group.commands[name].get_short_help_str().endswith(".")
    options = [param for param in group.commands[name].params if hasattr(param, "help")]
    assert all(option.help for option in options)
