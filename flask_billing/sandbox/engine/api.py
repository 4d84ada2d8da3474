"""Answers API requests: who asks, what they ask for, once per key, with the scripted trouble."""

import base64
import json
import logging
import re
from dataclasses import dataclass
from typing import Any

from werkzeug.wrappers import Request, Response

from . import params
from .call import API_VERSION, public
from .engine import DEFAULT_ACCOUNT, Engine
from .errors import Problem, server_error
from .expand import expand
from .faults import Fault
from .forms import decode
from .idempotency import StoredReply, fingerprint
from .ids import new_id
from .requests import LoggedRequest
from .routes import Route, resolve
from .store import Scope

log = logging.getLogger("flask_billing.sandbox")

_KEY = re.compile(r"(?:sk|rk)_(test|live)_\w+")
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}\.endive")


class Dropped(ConnectionAbortedError):
    """The connection is to be closed without an answer."""


@dataclass
class Reply:
    """The answer to a request: a status and a JSON body, or silence."""

    status: int
    body: str
    request_id: str
    drop: bool = False
    replayed: bool = False


@dataclass
class Arrival:
    """An API request as it came in."""

    method: str
    path: str
    params: dict[str, Any]
    key: str | None
    request_id: str
    base_url: str


class Api:
    """Stripe's API over one engine."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    def respond(self, request: Request) -> Response:
        """Answer one request; raises `Dropped` for a scripted time-out."""
        request_id = new_id("req_", 14)
        try:
            arrival = self._arrival(request, request_id)
            scope = self._authenticate(request)
            _check_version(request)
            reply = self._once(scope, arrival)
        except Problem as problem:
            reply = Reply(problem.status, json.dumps(problem.body), request_id)
        if reply.drop:
            raise Dropped
        return self._response(request, request_id, reply)

    def _arrival(self, request: Request, request_id: str) -> Arrival:
        source = request.form if request.method == "POST" else request.args
        arrival = Arrival(
            request.method,
            request.path,
            {},
            request.headers.get("Idempotency-Key") if request.method == "POST" else None,
            request_id,
            request.host_url.rstrip("/"),
        )
        try:
            arrival.params = decode(source.items(multi=True))
        finally:
            self.engine.requests.add(
                LoggedRequest(arrival.method, arrival.path, arrival.params, arrival.key, request_id)
            )
        return arrival

    def _authenticate(self, request: Request) -> Scope:
        key = _secret_key(request)
        found = _KEY.fullmatch(key)
        if found is None or (self.engine.accounts and key not in self.engine.accounts):
            raise Problem(f"Invalid API Key provided: {_masked(key)}", status=401)
        scope = Scope(self.engine.accounts.get(key, DEFAULT_ACCOUNT), found[1] == "live")
        if request.headers.get("Stripe-Account", scope.account) != scope.account:
            raise Problem(
                "The provided key does not have access to that account (or it does not exist).",
                status=403,
                code="account_invalid",
            )
        return scope

    def _once(self, scope: Scope, arrival: Arrival) -> Reply:
        if not arrival.key:
            return self._act(scope, arrival)
        mark = fingerprint(arrival.method, arrival.path, arrival.params)
        stored = self.engine.idempotency.claim(scope, arrival.key, mark)
        if stored is not None:
            return Reply(stored.status, stored.body, stored.request_id, replayed=True)
        try:
            reply = self._act(scope, arrival)
            if reply.status:
                kept = StoredReply(reply.status, reply.body, reply.request_id)
                self.engine.idempotency.keep(scope, arrival.key, mark, kept)
            return reply
        finally:
            self.engine.idempotency.release(scope, arrival.key)

    def _act(self, scope: Scope, arrival: Arrival) -> Reply:
        fault = self.engine.faults.strike(arrival.method, arrival.path)
        self.engine.wait(self.engine.latency + (fault.seconds if fault else 0))
        if fault is None or fault.how == "slow":
            return self._execute(scope, arrival)
        if fault.how == "timeout_before":
            return Reply(0, "", arrival.request_id, drop=True)
        if not fault.how.endswith("_after"):
            return _faulty(fault, arrival)
        reply = self._execute(scope, arrival)
        if fault.how == "timeout_after":
            reply.drop = True
            return reply
        return _faulty(fault, arrival)

    def _execute(self, scope: Scope, arrival: Arrival) -> Reply:
        try:
            body = self._run(scope, arrival, *resolve(arrival.method, arrival.path))
            return Reply(200, json.dumps(public(body)), arrival.request_id)
        except Problem as problem:
            return Reply(problem.status, json.dumps(public(problem.body)), arrival.request_id)
        except Exception:
            log.exception("%s %s failed", arrival.method, arrival.path)
            return Reply(500, json.dumps(server_error().body), arrival.request_id)

    def _run(
        self, scope: Scope, arrival: Arrival, route: Route, ids: dict[str, str]
    ) -> dict[str, Any]:
        values = params.read(route.declared, arrival.params)
        paths = values.pop("expand", [])
        with self.engine.step(scope, arrival.base_url) as call:
            call.params = values
            call.path = arrival.path
            call.request_id = arrival.request_id
            call.idempotency_key = arrival.key
            return expand(call, route.endpoint(call, **ids), paths)

    def _response(self, request: Request, request_id: str, reply: Reply) -> Response:
        response = Response(reply.body, reply.status, mimetype="application/json")
        response.headers["Request-Id"] = request_id
        response.headers["Stripe-Version"] = request.headers.get("Stripe-Version", API_VERSION)
        if key := request.headers.get("Idempotency-Key"):
            response.headers["Idempotency-Key"] = key
            response.headers["Original-Request"] = reply.request_id
        if reply.replayed:
            response.headers["Idempotent-Replayed"] = "true"
        return response


def _secret_key(request: Request) -> str:
    scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return credentials.strip()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(credentials).decode().partition(":")[0]
        except ValueError:
            return ""
    raise Problem(
        "You did not provide an API key. Provide it in the Authorization header, using Bearer "
        "auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY').",
        status=401,
    )


def _masked(key: str) -> str:
    return key if len(key) <= 12 else f"{key[:8]}{'*' * (len(key) - 12)}{key[-4:]}"


def _check_version(request: Request) -> None:
    version = request.headers.get("Stripe-Version", API_VERSION)
    if _VERSION.fullmatch(version) is None or not "2026-09-30" <= version[:10] <= API_VERSION[:10]:
        raise Problem(
            f"Invalid Stripe API version: {version}. The sandbox speaks {API_VERSION}.",
            code="invalid_stripe_api_version",
        )


def _faulty(fault: Fault, arrival: Arrival) -> Reply:
    problem = fault.problem() or server_error()
    return Reply(problem.status, json.dumps(problem.body), arrival.request_id)
