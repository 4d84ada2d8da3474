"""One sandbox's working parts, and the way through them that every step takes."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from flask_billing.sandbox.webhooks import Webhooks

from .call import Call
from .clock import Clock
from .errors import Problem
from .faults import Faults
from .idempotency import Idempotency
from .requests import RequestLog
from .store import Obj, Scope, Store

DEFAULT_ACCOUNT = "acct_1SandboxDefault0"
DEFAULT_SECRET_KEY = "sk_test_sandbox"  # noqa: S105 - it opens nothing
DEFAULT_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - it signs for this machine only

Action = Callable[[Call, Obj], object]
ActionT = TypeVar("ActionT", bound=Action)

_actions: dict[str, Action] = {}


def due_action(name: str) -> Callable[[ActionT], ActionT]:
    """Register what is done to an object when the clock reaches a moment it was scheduled for."""

    def register(action: ActionT) -> ActionT:
        _actions[name] = action
        return action

    return register


def do(name: str, call: Call, obj: Obj) -> None:
    """Do a registered action to an object."""
    _actions[name](call, obj)


class Engine:
    """The state of one sandbox and everything that acts on it.

    :param database: The SQLite file that keeps the state; `None` keeps it in memory.
    :param accounts: Which secret key belongs to which account; by default all to one account.
    :param latency: Seconds that each API call takes.
    """

    def __init__(
        self,
        database: str | None = None,
        accounts: dict[str, str] | None = None,
        latency: float = 0.0,
    ) -> None:
        self.accounts = dict(accounts or {})
        self.latency = self._usual_latency = latency
        self.stopping = threading.Event()
        self.news = threading.Event()
        self.store = Store(database)
        self.clock = self._kept_clock()
        self.faults = Faults()
        self.requests = RequestLog()
        self.idempotency = Idempotency(self.store, self.clock)
        self.webhooks = Webhooks(self)

    def _kept_clock(self) -> Clock:
        def keep(offset: float, frozen: int | None) -> None:
            self.store.keep_setting("clock", [offset, frozen])
            self.news.set()

        clock = Clock(keep)
        offset, frozen = self.store.setting("clock") or (0.0, None)
        clock.set(offset=offset, frozen=frozen)
        return clock

    def default_scope(self, *, livemode: bool = False) -> Scope:
        """Give the scope of the first key."""
        return Scope(next(iter(self.accounts.values()), DEFAULT_ACCOUNT), livemode)

    def wait(self, seconds: float) -> None:
        """Take some time, but not past the end of the sandbox."""
        if seconds > 0:
            self.stopping.wait(seconds)

    @contextmanager
    def step(self, scope: Scope, base_url: str) -> Iterator[Call]:
        """Work on one scope's objects in one transaction, after doing what was due.

        A `Problem` that is to keep what was written commits it; any other error takes it back.
        """
        kept: Problem | None = None
        with self.store.transaction():
            self._do_due()
            try:
                yield Call(self.store, self.clock, scope, base_url)
            except Problem as problem:
                if not problem.keep:
                    raise
                kept = problem
        self.news.set()
        if kept is not None:
            raise kept

    def do_due(self) -> None:
        """Do what was scheduled for a moment that has come."""
        with self.store.transaction():
            self._do_due()

    def _do_due(self) -> None:
        for name, object_id in self.store.take_due(self.clock.now()):
            located = self.store.locate(object_id)
            if located is not None:
                scope, obj = located
                call = Call(self.store, self.clock, scope, "")
                call.keep_time_of(obj)
                do(name, call, obj)

    def reset(self) -> None:
        """Forget all objects, faults, requests and deliveries; go back to real time and speed."""
        self.latency = self._usual_latency
        self.faults.clear()
        self.requests.clear()
        self.webhooks.reset()
        self.store.clear()
        self.clock.reset()

    def close(self) -> None:
        """End what is waiting and close the database."""
        self.stopping.set()
        self.webhooks.stop()
        self.store.close()
