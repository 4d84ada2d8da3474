"""The way to the processor and back: without sockets, and with all that goes wrong on it."""

from __future__ import annotations

import heapq
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import stripe
from requests.structures import CaseInsensitiveDict
from werkzeug.test import run_wsgi_app

from flask_billing import events
from flask_billing.events.built_in import BUILT_IN
from flask_billing.sandbox import DEFAULT_WEBHOOK_SECRET
from flask_billing.sandbox.app import create_app
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.engine.faults import Fault
from flask_billing.sandbox.webhooks.bodies import compose
from tests.simulation.scheduler import Scheduler

__all__ = ["Mail", "Sent", "Wire"]

Answer = tuple[bytes, int, CaseInsensitiveDict[str]]

#: What may become of a call, and how often in a row: the SDK tries three times, and as often as
#: four times each where there is no room.
TROUBLE = {
    "timeout_before": (1, 3, 3),
    "timeout_after": (1, 3, 3),
    "lost_once_acted": (1,),
    "error_500": (1, 3, 3),
    "error_500_after": (1, 3),
    "rate_limit": (1, 12),
    "error_503": (1, 3),
}

#: How much more often a request to charge goes wrong than another.
_MORE = 4


@dataclass
class Sent:
    """A request to charge an invoice, as it passed by.

    :ivar status: What the processor answered; `None` where it never came there.
    :ivar wants_owner: Whether the invoice shows since then that the bank asks for its owner.
    :ivar is_told: Whether the answer came back.
    """

    at: float
    ours: float
    key: str
    invoice: str
    method: str
    status: int | None = None
    wants_owner: bool = False
    is_told: bool = False


class Wire:
    """Takes the requests of the SDK to the sandbox, in this process.

    :param ours: Returns the time by our own clock, in seconds.
    :param tick: Called once a request was answered, as that takes time.
    """

    def __init__(
        self,
        engine: Engine,
        scheduler: Scheduler,
        *,
        ours: Callable[[], float],
        tick: Callable[[], None],
    ) -> None:
        self._engine = engine
        self._app = create_app(engine)
        self._scheduler = scheduler
        self._ours = ours
        self._tick = tick
        self.begin(random.Random(0))

    def begin(self, dice: random.Random) -> None:
        """Begin a new scene, on which nothing goes wrong yet."""
        self.dice = dice
        self.chance = 0.0
        self.is_down = False
        self.has_keys = True
        self.faults: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.sent: list[Sent] = []
        #: What was sent before the rows were last restored.
        self.before: list[Sent] = []
        self.reads: list[tuple[float, float, str]] = []
        self.tell: Callable[[str], None] = lambda text: None
        self.on_pay: Callable[[Sent], None] = lambda sent: None
        self._trouble: dict[str, tuple[str, int]] = {}

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None,
        post_data: Any = None,
    ) -> Answer:
        """Stand in for the method of this name of the SDK's client."""
        method, path = method.upper(), urlsplit(url).path
        self.calls[f"{method} {_kind(path)}"] += 1
        sent = self._note(method, path, dict(headers or {}), post_data)
        self._scheduler.passes("before_call")
        if sent is not None:
            self.on_pay(sent)
        how = self._mishap(self.chance * (_MORE if sent is not None else 1))
        if how is not None:
            self.faults[how] += 1
            self.tell(f"{how} on {method} {path}")
        if self.is_down or how == "timeout_before":
            raise stripe.APIConnectionError("Nobody answers.", should_retry=True)  # type: ignore[no-untyped-call]
        answer = self._serve(method, url, dict(headers or {}), post_data, how)
        if sent is not None:
            sent.status = answer[1]
            sent.wants_owner |= self._wants_owner(sent)
            self.tell(f"pay {sent.invoice} by {sent.method}: {answer[1]}{_why(answer[0])}")
        self._tick()
        self._scheduler.passes("after_call")
        if how in {"timeout_after", "lost_once_acted"}:
            raise stripe.APIConnectionError(  # type: ignore[no-untyped-call]
                "The answer is lost.", should_retry=how == "timeout_after"
            )
        if sent is not None:
            sent.is_told = answer[1] < 500
        if method == "GET":
            self.reads.append((self._engine.clock.now(), self._ours(), url))
        return answer

    def _note(self, method: str, path: str, headers: dict[str, str], body: Any) -> Sent | None:
        parts = path.split("/")
        if method != "POST" or parts[-1] != "pay":
            return None
        method_id = parse_qs(body or "").get("payment_method", [""])[0]
        key = headers.get("Idempotency-Key", "")
        sent = Sent(self._engine.clock.now(), self._ours(), key, parts[-2], method_id)
        self.sent.append(sent)
        return sent

    def _wants_owner(self, sent: Sent) -> bool:
        store, scope = self._engine.store, self._engine.default_scope()
        asking = {
            intent["id"]
            for intent in store.find(scope, "payment_intent")
            if (intent["status"], intent["payment_method"]) == ("requires_action", sent.method)
        }
        return any(
            payment["invoice"] == sent.invoice
            and payment["payment"].get("payment_intent") in asking
            for payment in store.find(scope, "invoice_payment")
        )

    def _mishap(self, chance: float) -> str | None:
        """Return what becomes of this call: an old trouble goes on before there is another."""
        if self.is_down:
            return "outage"
        job = self._scheduler.job
        if job is None or not chance:
            return None
        how, left = self._trouble.pop(job.name, ("", 0))
        if not left and self.dice.random() < chance:
            how = self.dice.choice(sorted(TROUBLE))
            left = self.dice.choice(TROUBLE[how])
        if not left:
            return None
        if left > 1:
            self._trouble[job.name] = how, left - 1
        return how

    def _serve(
        self, method: str, url: str, headers: dict[str, str], body: Any, how: str | None
    ) -> Answer:
        path = urlsplit(url).path
        if how in {"error_500", "error_500_after", "rate_limit", "error_503"}:
            self._engine.faults.add(Fault(f"{method} {path}", how))
        if not self.has_keys:
            headers.pop("Idempotency-Key", None)
        try:
            chunks, status, shown = run_wsgi_app(self._app, _environ(method, url, headers, body))
            content = b"".join(chunks)
        finally:
            self._engine.faults.clear()
        return content, int(status[:3]), CaseInsensitiveDict(shown.items())


def _environ(method: str, url: str, headers: Mapping[str, str], body: Any) -> dict[str, Any]:
    parts = urlsplit(url)
    content = (body or "").encode() if isinstance(body, str) or body is None else body
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method.upper(),
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote(parts.path),
        "QUERY_STRING": parts.query,
        "SERVER_NAME": parts.hostname,
        "SERVER_PORT": str(parts.port or 80),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": BytesIO(content),
        "wsgi.errors": BytesIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in headers.items():
        field = name.upper().replace("-", "_")
        environ[field if field == "CONTENT_TYPE" else f"HTTP_{field}"] = value
    return environ


def _kind(path: str) -> str:
    """Return a path without the ids in it."""
    return "/".join("*" if any(map(str.isdigit, part[3:])) else part for part in path.split("/"))


def _why(content: bytes) -> str:
    error = json.loads(content or b"{}").get("error") or {}
    code = error.get("decline_code") or error.get("code") or error.get("type")
    return f" {code}" if code else ""


class Mail:
    """What the processor tells us: late, twice, out of order, or never."""

    #: How many seconds later a worker that died meanwhile is told again.
    AGAIN = 3600.0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.begin(random.Random(0))

    def begin(self, dice: random.Random) -> None:
        """Begin a new scene, in which everything arrives."""
        self.dice = dice
        self.is_rough = False
        self.mishaps: Counter[str] = Counter()
        self._seen = 0
        self._number = 0
        self._waiting: list[tuple[float, int, Any]] = []

    def collect(self, now: float) -> None:
        """Take what has happened since the last time, and decide when it arrives."""
        rows = self._engine.store.execute(
            "SELECT seq, body FROM object WHERE kind = 'event' AND seq > ? ORDER BY seq",
            (self._seen,),
        )
        for seq, body in rows:
            self._seen = seq
            event = json.loads(body)
            if event["type"] in BUILT_IN:
                self._post(now, event)

    def _post(self, now: float, event: Any) -> None:
        luck = self.dice.random() if self.is_rough else 1.0
        if luck < 0.08:
            self.mishaps["lost"] += 1
            return
        delay = self.dice.uniform(0, 20)
        if luck < 0.2:
            self.mishaps["late"] += 1
            delay = self.dice.choice([600, 7200, 90_000]) * self.dice.uniform(0.5, 1.5)
        elif luck < 0.4:
            self.mishaps["reordered"] += 1
            delay = self.dice.uniform(0, 300)
        self._put(now + delay, event)
        if luck > 0.9 and self.is_rough:
            self.mishaps["twice"] += 1
            self._put(now + self.dice.uniform(0, 7200), event)

    def _put(self, at: float, event: Any) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (at, self._number, event))

    @property
    def next_at(self) -> float | None:
        """When the next one arrives."""
        return self._waiting[0][0] if self._waiting else None

    def deliver(self, now: float) -> None:
        """Hand over what has arrived; what somebody died over arrives again."""
        while self._waiting and self._waiting[0][0] <= now:
            at, _, event = heapq.heappop(self._waiting)
            body, headers = compose(event, DEFAULT_WEBHOOK_SECRET, time.time(), None)
            try:
                events.receive(body, headers["Stripe-Signature"])
            except BaseException:
                self._put(at + self.AGAIN, event)
                raise
