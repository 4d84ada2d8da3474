"""State survives a restart when it is kept in a file, and nothing is left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING

import pytest
import requests

from flask_billing.sandbox import Sandbox, serve

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import stripe

    MakeClient = Callable[..., stripe.StripeClient]


def test_everything_survives_a_restart(tmp_path: Path, make_client: MakeClient) -> None:
    database = str(tmp_path / "sandbox.sqlite3")
    with Sandbox(database) as sandbox:
        sandbox.clock.freeze(1_900_000_000)
        client = make_client(sandbox)
        customer = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "key-1"})
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    with Sandbox(database) as sandbox:
        client = make_client(sandbox)
        replayed = client.v1.customers.create({"name": "Ada"}, {"idempotency_key": "key-1"})
        again = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

        assert client.v1.customers.retrieve(customer.id).name == "Ada"
        assert client.v1.payment_methods.retrieve(method.id).customer == customer.id
        assert len(client.v1.events.list().data) == 3
        assert replayed.id == customer.id
        assert sandbox.clock.now() == 1_900_000_000
        assert again.card is not None
        assert method.card is not None
        assert again.card.fingerprint == method.card.fingerprint


def test_sandboxes_are_apart(make_client: MakeClient) -> None:
    with Sandbox() as first, Sandbox() as second:
        make_client(first).v1.customers.create({})

        assert make_client(second).v1.customers.list().data == []


def test_parallel_calls_are_all_kept(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    threads = [
        threading.Thread(target=client.v1.customers.create, args=({"name": str(number)},))
        for number in range(20)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    names = {c.name for c in client.v1.customers.list({"limit": 100}).data}
    assert names == {str(number) for number in range(20)}


def test_end_of_a_sandbox_ends_its_threads_and_slow_calls(make_client: MakeClient) -> None:
    before = set(threading.enumerate())
    with Sandbox(latency=60) as sandbox:
        ask = partial(requests.get, f"{sandbox.url}/v1/account", auth=("sk_test_a", ""))
        thread = threading.Thread(target=ask)
        thread.start()
        while not len(sandbox.requests):
            pass
    thread.join(timeout=10)

    assert set(threading.enumerate()) <= before


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.com"])
def test_serving_to_other_machines_has_to_be_asked_for(host: str) -> None:
    with pytest.raises(ValueError, match="other machines"):
        serve(host, 0)


def test_port_that_is_taken_is_an_error(stripe_sandbox: Sandbox) -> None:
    with pytest.raises(OSError, match="in use"):
        serve("127.0.0.1", int(stripe_sandbox.url.rsplit(":", 1)[1]))


def test_command_serves_and_ends_cleanly(tmp_path: Path) -> None:
    arguments = ["--port", "0", "--database", str(tmp_path / "sandbox.sqlite3")]
    with subprocess.Popen(
        [sys.executable, "-m", "flask_billing.sandbox", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        answer = requests.get(f"{url}/v1/account", auth=("sk_test_a", ""), timeout=10)
        process.send_signal(2)
        _, errors = process.communicate(timeout=20)

    assert answer.json()["object"] == "account"
    assert (process.returncode, errors) == (0, "")
