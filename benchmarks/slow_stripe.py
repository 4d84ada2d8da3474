"""A Stripe that knows invoices only, and answers each call after the time that it takes to answer.

What it says are the local Stripe's own answers to the same calls, recorded once and told again with
other ids: so it costs next to nothing itself, and what is measured is who asks.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any
from urllib.parse import parse_qs

import requests
import stripe

from flask_billing.sandbox import Sandbox

__all__ = ["AMOUNTS", "calls", "client_of", "pay_one", "served"]

#: How long an answer takes, in seconds.
DELAY = 0.02
#: What each invoice is made of, in cents.
AMOUNTS = (1250, 400, 99)

_LOCAL, _PROJECT, _PERIOD = (f"flask_billing_{name}" for name in ("id", "project", "period"))
_IDS = re.compile(r'"((?:in|inpay|pi|ch|il|txn|py)_[A-Za-z0-9]+)"')
_PATH = re.compile(r"/v1/invoices(?:/in_[A-Za-z0-9]+?Number([0-9]+))?(?:/([a-z_]+))?")


def client_of(url: str) -> stripe.StripeClient:
    """Return the SDK's client as the extension has it, without anything of ours."""
    return stripe.StripeClient(
        "sk_test_bench",
        max_network_retries=2,
        http_client=stripe.RequestsClient(timeout=(3, 15)),
        base_addresses={"api": url},
    )


def pay_one(
    client: stripe.StripeClient, name: str, customer: str, method: str, period: str
) -> Iterator[Any]:
    """Make the calls that collect one invoice, one after the other; yields each answer."""
    yield client.v1.invoices.list({"customer": customer, "limit": 100})
    metadata = {_LOCAL: name, _PROJECT: name, _PERIOD: period}
    draft = client.v1.invoices.create(
        {
            "customer": customer,
            "currency": "usd",
            "auto_advance": False,
            "collection_method": "charge_automatically",
            "pending_invoice_items_behavior": "exclude",
            "automatic_tax": {"enabled": False},
            "metadata": metadata,
        },
        {"idempotency_key": f"invoice-{name}"},
    )
    yield draft
    lines: Any = [
        {"amount": amount, "description": "Usage", "metadata": {_LOCAL: str(place)}}
        for place, amount in enumerate(AMOUNTS)
    ]
    yield client.v1.invoices.add_lines(
        draft.id, {"lines": lines}, {"idempotency_key": f"lines-{name}"}
    )
    yield client.v1.invoices.finalize_invoice(
        draft.id, {"auto_advance": False}, {"idempotency_key": f"finalize-{name}"}
    )
    yield client.v1.invoices.pay(
        draft.id,
        {
            "payment_method": method,
            "off_session": True,
            "expand": ["payments.data.payment.payment_intent"],
        },
        {"idempotency_key": f"pay-{name}"},
    )


@contextmanager
def served() -> Iterator[str]:
    """Serve it in a process of its own; gives its address."""
    answers = _recorded()
    listener = socket.create_server(("127.0.0.1", 0))
    fork = multiprocessing.get_context("fork")
    process = fork.Process(target=_run, args=(listener, answers))
    process.start()
    port = listener.getsockname()[1]
    listener.close()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.join()


def calls(url: str) -> int:
    """Return how many calls came in so far."""
    return int(requests.get(f"{url}/calls", timeout=10).text)


def _recorded() -> dict[str, str]:
    """Return the local Stripe's answers to the calls for one invoice, with gaps to fill in."""
    with Sandbox() as sandbox:
        client = stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})
        customer = client.v1.customers.create({}).id
        method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id
        answers = list(pay_one(client, "NAME", customer, method, "PERIOD"))
    gaps = {customer: "@customer@", method: "@method@", "PERIOD": "@period@"}
    names = ("list", "create", "add_lines", "finalize", "pay")
    return {name: _with_gaps(answer, gaps) for name, answer in zip(names, answers, strict=True)}


def _with_gaps(answer: Any, gaps: Mapping[str, str]) -> str:
    text = _IDS.sub(r'"\1Number@number@"', json.dumps(answer.to_dict(), separators=(",", ":")))
    text = text.replace(f'"{_LOCAL}":"NAME"', f'"{_LOCAL}":"@local@"')
    text = text.replace(f'"{_PROJECT}":"NAME"', f'"{_PROJECT}":"@project@"')
    for value, gap in gaps.items():
        text = text.replace(value, gap)
    return text


def _run(listener: socket.socket, answers: Mapping[str, str]) -> None:
    asyncio.run(_serve(listener, answers))


async def _serve(listener: socket.socket, answers: Mapping[str, str]) -> None:
    known, loop = _Invoices(answers), asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(known), sock=listener)
    await server.serve_forever()


class _Invoices:
    """What was told of each invoice so far."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.calls = 0
        self._answers = answers
        self._numbers = count(1)
        self._told: dict[str, dict[str, str]] = {}

    def answer(self, method: str, path: str, body: str) -> str:
        """Return the body of the answer to a call.

        :raises LookupError: Nothing is known of such a call.
        """
        if path == "/calls":
            return str(self.calls)
        self.calls += 1
        found = _PATH.fullmatch(path.partition("?")[0])
        if found is None or (method == "GET" and found[1]):
            raise LookupError(path)
        if method == "GET":
            return self._answers["list"]
        sent = parse_qs(body)
        if found[1] is None:
            return self._create(sent)
        told = self._told[found[1]]
        if "payment_method" in sent:
            told["method"] = sent["payment_method"][0]
        return self._fill(found[2], told)

    def _create(self, sent: Mapping[str, Sequence[str]]) -> str:
        number = str(next(self._numbers))
        told = self._told[number] = {
            "number": number,
            "customer": sent["customer"][0],
            "local": sent[f"metadata[{_LOCAL}]"][0],
            "project": sent[f"metadata[{_PROJECT}]"][0],
            "period": sent[f"metadata[{_PERIOD}]"][0],
        }
        return self._fill("create", told)

    def _fill(self, name: str, told: Mapping[str, str]) -> str:
        text = self._answers[name]
        for gap, value in told.items():
            text = text.replace(f"@{gap}@", value)
        return text


class _Connection(asyncio.Protocol):
    """Answers the requests of one connection, which come one after the other."""

    def __init__(self, known: _Invoices) -> None:
        self._known = known
        self._received = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: *([0-9]+)", head)
        if not end or len(body) < (int(length[1]) if length else 0):
            return
        self._received = b""
        method, path, _ = head.decode().split(" ", 2)
        answer = self._known.answer(method, path, body.decode()).encode()
        headers = (
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nRequest-Id: req_bench\r\n"
            f"Content-Length: {len(answer)}\r\n\r\n"
        )
        loop = asyncio.get_running_loop()
        loop.call_later(DELAY, self._transport.write, headers.encode() + answer)
