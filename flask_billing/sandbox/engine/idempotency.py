"""Replays the first answer to an idempotency key, as Stripe's API does for a day.

See https://docs.stripe.com/api/idempotent_requests: the first status and body are stored, declines
and server errors included; refused parameters and conflicts are not.
"""

import hashlib
import json
import threading
from typing import Any, NamedTuple

from .clock import Clock
from .errors import Problem
from .store import Scope, Store

DAY = 24 * 3600


class StoredReply(NamedTuple):
    """What was answered to the first request with a key."""

    status: int
    body: str
    request_id: str


class Idempotency:
    """The answered keys of a sandbox, and those being worked on."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._busy: set[tuple[Scope, str]] = set()
        self._lock = threading.Lock()

    def claim(self, scope: Scope, key: str, fingerprint: str) -> StoredReply | None:
        """Give the stored answer, or take the key for this request and give `None`."""
        if len(key) > 255:
            raise Problem("Idempotency keys can be at most 255 characters long.")
        with self._lock:
            if (scope, key) in self._busy:
                raise _in_use(key)
            stored = self._stored(scope, key, fingerprint)
            if stored is None:
                self._busy.add((scope, key))
            return stored

    def release(self, scope: Scope, key: str) -> None:
        """Let the next request have the key."""
        with self._lock:
            self._busy.discard((scope, key))

    def keep(self, scope: Scope, key: str, fingerprint: str, reply: StoredReply) -> None:
        """Store an answer, unless the request was refused before anything was done."""
        refused = 400 <= reply.status < 500 and reply.status != 402
        if refused or reply.status == 503:
            return
        self._store.execute(
            "INSERT OR REPLACE INTO reply VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *scope,
                key,
                fingerprint,
                reply.request_id,
                reply.status,
                reply.body,
                self._clock.now(),
            ),
        )

    def _stored(self, scope: Scope, key: str, fingerprint: str) -> StoredReply | None:
        self._store.execute("DELETE FROM reply WHERE created <= ?", (self._clock.now() - DAY,))
        rows = self._store.execute(
            "SELECT fingerprint, status, body, request_id FROM reply "
            "WHERE account = ? AND livemode = ? AND key = ?",
            (*scope, key),
        )
        if not rows:
            return None
        if rows[0][0] != fingerprint:
            raise _other_parameters(key)
        return StoredReply(*rows[0][1:])


def fingerprint(method: str, path: str, params: dict[str, Any]) -> str:
    """Give a hash that is the same for the same request only."""
    text = json.dumps([method, path, params], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _in_use(key: str) -> Problem:
    return Problem(
        "There is currently another in-progress request using this Idempotent Key (that probably "
        f"means you submitted twice, and the other request is still going through): {key}.",
        status=409,
        code="idempotency_key_in_use",
    )


def _other_parameters(key: str) -> Problem:
    return Problem(
        "Keys for idempotent requests can only be used with the same parameters they were first "
        f"used with. Try using a key other than '{key}' if you meant to execute another request.",
        type="idempotency_error",
    )
