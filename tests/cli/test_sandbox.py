"""`flask billing sandbox` runs a local Stripe and says how to use it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import IO, TYPE_CHECKING

import stripe
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from flask_billing.sandbox import DEFAULT_ACCOUNT
from tests.cli.conftest import Shell

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox

ROOT = Path(__file__).resolve().parents[2]


def test_printed_settings_reach_a_local_stripe(tmp_path: Path) -> None:
    words = ("--port", "0", "--database", str(tmp_path / "stripe.sqlite"))
    with running(*words, folder=tmp_path) as output:
        base = value_of("STRIPE_API_BASE", output)
        key = value_of("STRIPE_SECRET_KEY", output)
        client = stripe.StripeClient(key, base_addresses={"api": base})
        account = client.v1.accounts.retrieve_current().id

    assert account == DEFAULT_ACCOUNT
    assert (tmp_path / "stripe.sqlite").exists()


def test_events_go_to_the_endpoint_that_is_named(tmp_path: Path) -> None:
    with receiver() as (url, deliveries):
        words = ("--port", "0", "--webhook-url", url, "--webhook-secret", "whsec_mine")
        with running(*words, folder=tmp_path) as output:
            base = value_of("STRIPE_API_BASE", output)
            key = value_of("STRIPE_SECRET_KEY", output)
            secret = value_of("STRIPE_WEBHOOK_SECRET", output)
            client = stripe.StripeClient(key, base_addresses={"api": base})
            client.v1.customers.create({"metadata": {}})
            body, signature = deliveries.get(timeout=10)

    event = stripe.Webhook.construct_event(body, signature, secret)
    assert secret == "whsec_mine"
    assert event.type == "customer.created"


def test_endpoint_that_stripe_would_refuse_is_told(shell: Shell) -> None:
    result = shell.billing("sandbox", "--port", "0", "--webhook-url", "nonsense")

    assert result.exit_code == 1
    assert "Error: " in result.output


def test_address_that_others_reach_is_refused(shell: Shell) -> None:
    result = shell.billing("sandbox", "--host", "0.0.0.0", "--port", "0")

    assert result.exit_code == 1
    assert "can be reached from other machines" in result.output


def test_port_that_is_taken_is_told(shell: Shell, stripe_sandbox: Sandbox) -> None:
    port = stripe_sandbox.url.rpartition(":")[2]

    result = shell.billing("sandbox", "--port", port)

    assert result.exit_code == 1
    assert "in use" in result.output


@contextmanager
def running(*words: str, folder: Path) -> Iterator[IO[str]]:
    """Run the command beside the test; what it prints can be read."""
    host = (sys.executable, "-m", "flask", "--app", "tests.host:create_app('sqlite://')")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    command = [*host, "billing", "sandbox", *words]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            yield process.stdout
        finally:
            process.terminate()


@contextmanager
def receiver() -> Iterator[tuple[str, Queue[tuple[bytes, str]]]]:
    """Be an endpoint: its address, and the bodies and signatures that arrive there."""
    deliveries: Queue[tuple[bytes, str]] = Queue()

    def take(request: Request) -> Response:
        deliveries.put((request.get_data(), request.headers["Stripe-Signature"]))
        return Response("")

    with HTTPServer() as server:
        server.expect_request("/hook").respond_with_handler(take)
        yield server.url_for("/hook"), deliveries


def value_of(setting: str, lines: IO[str]) -> str:
    for line in lines:
        if found := re.search(rf"{setting}=(\S+)", line):
            return found[1]
    raise AssertionError(f"{setting} was not printed")
