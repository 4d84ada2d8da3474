"""How many events a second a web server accepts, against views that one would write by hand.

Each contestant is a gunicorn of two workers of its own, on one PostgreSQL. They take turns; while
one is at work the others rest. Whoever sends is on the same machine, in threads that write ready
requests to sockets: what that costs is in the time of all three, and so brings them closer
together. So the time that the workers themselves were at work is compared as well; in it there is
no client and no database server.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from sqlalchemy import text

from benchmarks.harness import AtLeast, Topic, interleaved, timed
from benchmarks.host import db, on_postgresql
from benchmarks.notifications import headers_for, notification
from benchmarks.webhook_apps import BARE_TABLES, PATH, URL

__all__ = ["topic"]

RATE = "events accepted a second"
NEW = "new events a second / a bare view's"
AGAIN = "duplicates a second / a bare view's"
NEW_RAW = "new events a second / a bare view's without SQLAlchemy"
AGAIN_RAW = "duplicates a second / a bare view's without SQLAlchemy"
NEW_WORK = "a bare view's processor time / ours, new events"
AGAIN_WORK = "a bare view's processor time / ours, duplicates"

WORKERS = 2
SENDERS = 4
REQUESTS = 250
ROUNDS = 20
WARM_UP = 2


def _measure() -> dict[str, float]:
    with on_postgresql() as app, ExitStack() as stack:
        for table in BARE_TABLES:
            db.session.execute(text(f"CREATE TABLE {table} (LIKE billing_event INCLUDING ALL)"))
        db.session.commit()
        url = app.config["SQLALCHEMY_DATABASE_URI"]
        senders = stack.enter_context(ThreadPoolExecutor(SENDERS))
        ours, bare, raw = (
            _Contestant(stack.enter_context(_serving(name, url)), senders)
            for name in ("ours", "bare_sqlalchemy", "bare_psycopg")
        )
        seconds = _seconds({"ours": ours, "bare": bare, "raw": raw})
        _check_that_all_are_stored()
    return {
        RATE: REQUESTS / seconds["new, ours"],
        NEW: seconds["new, bare"] / seconds["new, ours"],
        AGAIN: seconds["again, bare"] / seconds["again, ours"],
        NEW_RAW: seconds["new, raw"] / seconds["new, ours"],
        AGAIN_RAW: seconds["again, raw"] / seconds["again, ours"],
        NEW_WORK: bare.work_on_new / ours.work_on_new,
        AGAIN_WORK: bare.work_on_old / ours.work_on_old,
    }


class _Contestant:
    """A server, what it was sent last, and for how many seconds its workers had a processor."""

    def __init__(self, server: _Server, senders: ThreadPoolExecutor) -> None:
        self._server = server
        self._senders = senders
        self._bodies: list[bytes] = []
        self.work_on_new = 0.0
        self.work_on_old = 0.0

    def new(self) -> float:
        """Send events that nobody has seen; return the seconds."""
        self._bodies = [_body(next(_numbers)) for _ in range(REQUESTS)]
        seconds, work = self._sent()
        self.work_on_new += work
        return seconds

    def again(self) -> float:
        """Send the last ones once more; return the seconds."""
        seconds, work = self._sent()
        self.work_on_old += work
        return seconds

    def _sent(self) -> tuple[float, float]:
        requests = [_request(body) for body in self._bodies]
        before = self._server.work()
        seconds = timed(lambda: list(self._senders.map(self._server.send, requests)))
        return seconds, self._server.work() - before


class _Server:
    """A gunicorn at work."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self._process = process
        self._address = ("127.0.0.1", port)

    def send(self, request: bytes) -> None:
        with socket.create_connection(self._address, timeout=30) as connection:
            connection.sendall(request)
            answer = b"".join(iter(lambda: connection.recv(4096), b""))
        assert b" 200 " in answer[:16], answer

    def work(self) -> float:
        """Return for how many seconds the workers have had a processor."""
        pid = self._process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        ticks = 0
        for worker in workers:
            fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / os.sysconf("SC_CLK_TCK")


def _seconds(contestants: dict[str, _Contestant]) -> dict[str, float]:
    turns = {}
    for name, contestant in contestants.items():
        turns[f"new, {name}"] = contestant.new
        turns[f"again, {name}"] = contestant.again
    return interleaved(turns, rounds=ROUNDS, warm_up=WARM_UP)


def _check_that_all_are_stored() -> None:
    for table in ("billing_event", *BARE_TABLES):
        stored = db.session.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608
        assert stored == REQUESTS * (ROUNDS + WARM_UP), (table, stored)


@contextmanager
def _serving(name: str, url: str) -> Iterator[_Server]:
    """Run one of the apps until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    program = [sys.executable, "-m", "gunicorn", "--log-level", "warning", "--workers"]
    app = f"benchmarks.webhook_apps:{name}()"
    with subprocess.Popen(  # noqa: S603 - an app of the benchmarks
        [*program, str(WORKERS), "--bind", f"127.0.0.1:{port}", app], env=os.environ | {URL: url}
    ) as process:
        try:
            _wait_for(port)
            yield _Server(process, port)
        finally:
            process.terminate()


def _wait_for(port: int) -> None:
    deadline = monotonic() + 30
    while monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            sleep(0.05)
        else:
            return
    raise TimeoutError("gunicorn did not start.")


_numbers = count()


def _body(number: int) -> bytes:
    return notification(f"evt_1Sv7Yc2eZvKYlo2C{number:08}", "payment_method.updated", _CARD)


def _request(body: bytes) -> bytes:
    headers = headers_for(body) | {"Host": "127.0.0.1", "Content-Length": str(len(body))}
    lines = [f"POST {PATH} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body


#: As large as what Stripe sends of a card.
_CARD: dict[str, Any] = {
    "id": "pm_1Sv7Yc2eZvKYlo2CEyH7aBcD",
    "object": "payment_method",
    "allow_redisplay": "always",
    "billing_details": {
        "address": {
            "city": "Utrecht",
            "country": "NL",
            "line1": "Oudegracht 158",
            "line2": None,
            "postal_code": "3511 AZ",
            "state": None,
        },
        "email": "owner@example.com",
        "name": "An Owner",
        "phone": None,
        "tax_id": None,
    },
    "card": {
        "brand": "visa",
        "checks": {
            "address_line1_check": "pass",
            "address_postal_code_check": "pass",
            "cvc_check": "pass",
        },
        "country": "US",
        "display_brand": "visa",
        "exp_month": 12,
        "exp_year": 2034,
        "fingerprint": "Xt5EWLLDS7FJjR1c",
        "funding": "credit",
        "generated_from": {
            "charge": None,
            "payment_method_details": None,
            "setup_attempt": "setatt_1Sv7Yb2eZvKYlo2Cr4mNqPzK",
        },
        "last4": "4242",
        "networks": {"available": ["visa"], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    },
    "created": 1_796_083_199,
    "customer": "cus_TqR5s8VbN2xYzA",
    "customer_account": None,
    "livemode": False,
    # The rest of three thousand bytes.
    "metadata": {"note": "x" * 500, "other_note": "x" * 500},
    "type": "card",
}

topic = Topic(
    "events-time",
    {
        RATE: None,
        NEW: AtLeast(0.6),
        AGAIN: AtLeast(0.6),
        NEW_RAW: None,
        AGAIN_RAW: None,
        NEW_WORK: None,
        AGAIN_WORK: None,
    },
    _measure,
)
