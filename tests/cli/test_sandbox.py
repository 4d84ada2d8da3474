"""`flask billing sandbox` runs a local Stripe and says how to use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING

import stripe

from flask_billing.sandbox import DEFAULT_ACCOUNT
from tests.cli.conftest import Shell

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]


def test_printed_settings_reach_a_local_stripe(tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "flask", "--app", "tests.host:create_app('sqlite://')"),
        *("billing", "sandbox", "--port", "0", "--database", str(tmp_path / "stripe.sqlite")),
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            base = value_of("STRIPE_API_BASE", process.stdout)
            key = value_of("STRIPE_SECRET_KEY", process.stdout)
            client = stripe.StripeClient(key, base_addresses={"api": base})
            account = client.v1.accounts.retrieve_current().id
        finally:
            process.terminate()

    assert account == DEFAULT_ACCOUNT
    assert (tmp_path / "stripe.sqlite").exists()


def test_address_that_others_reach_is_refused(shell: Shell) -> None:
    result = shell.billing("sandbox", "--host", "0.0.0.0", "--port", "0")

    assert result.exit_code == 1
    assert "can be reached from other machines" in result.output


def test_port_that_is_taken_is_told(shell: Shell, stripe_sandbox: Sandbox) -> None:
    port = stripe_sandbox.url.rpartition(":")[2]

    result = shell.billing("sandbox", "--port", port)

    assert result.exit_code == 1
    assert "in use" in result.output


def value_of(setting: str, lines: IO[str]) -> str:
    for line in lines:
        if found := re.search(rf"{setting}=(\S+)", line):
            return found[1]
    raise AssertionError(f"{setting} was not printed")
