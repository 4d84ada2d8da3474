"""Sends the sandbox's events to webhook endpoints as Stripe does, and badly where a test asks."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from flask_billing.sandbox.engine.outbox import Delivery, Outbox
from flask_billing.sandbox.engine.store import Obj

from . import bodies
from .disturbances import Disturbance, Disturbances
from .log import Attempt, DeliveryLog
from .sending import Sender

if TYPE_CHECKING:
    from flask_billing.sandbox.engine.engine import Engine

__all__ = ["Attempt", "DeliveryLog", "Webhooks"]

# Stripe goes on for three days; nobody who develops waits that long.
RETRY_DELAYS = (1.0, 2.0, 5.0, 15.0, 60.0)
TIME_LIMIT = 10.0
FOREVER = float("inf")


class Webhooks:
    """The webhooks of one sandbox: queued until `deliver` is called, or sent once started.

    `retry_delays` are the seconds of the sandbox's time between attempts; after the last of them an
    event is given up. `time_limit` is how many real seconds an endpoint may take to answer.
    `signing_time` gives the moment that signatures carry: real time, as receivers compare it.
    """

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine
        self._outbox = Outbox(engine.store)
        self._outbox.recover()
        self._disturbances = Disturbances()
        self._sender = Sender()
        self._threads: list[threading.Thread] = []
        self._ended = threading.Event()
        self._attempted = threading.Condition()
        self.log = DeliveryLog()
        self._set_up()

    def _set_up(self) -> None:
        self.retry_delays: tuple[float, ...] = RETRY_DELAYS
        self.time_limit = TIME_LIMIT
        self.signing_time: Callable[[], float] = time.time

    # Endpoints

    def register(
        self,
        url: str,
        secret: str | None = None,
        *,
        enabled_events: Iterable[str] = ("*",),
        livemode: bool = False,
    ) -> Obj:
        """Register an endpoint and give it with its secret; the same address is registered once.

        Raises `ValueError` for an address or an event type that Stripe would refuse.
        """
        from .endpoints import register

        return register(self._engine, url, secret, list(enabled_events), livemode=livemode)

    # Sending

    def deliver(self) -> list[Attempt]:
        """Send all that is due now in this thread, and give what came of it."""
        return self._drain(self._engine.clock.exact)

    def deliver_all(self) -> list[Attempt]:
        """Send all that waits, due or not, until everything is delivered, dropped or given up."""
        return self._drain(lambda: FOREVER)

    def start(self, threads: int = 1) -> None:
        """Send in the background from now on; several threads let deliveries overlap."""
        if self._threads:
            return
        self._ended.clear()
        self._threads = [
            threading.Thread(target=self._work, name=f"sandbox-webhooks-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End the background threads and what they are sending; what is queued stays queued."""
        self._ended.set()
        self._engine.news.set()
        self._sender.hang_up()
        for thread in self._threads:
            while thread.is_alive():
                # What was about to connect when the others were hung up on.
                self._sender.hang_up()
                thread.join(0.05)
        self._threads = []

    def wait(self, timeout: float = 10.0) -> bool:
        """Wait until nothing is left to send, and tell whether that came about in time."""
        with self._attempted:
            return self._attempted.wait_for(lambda: self.pending == 0, timeout)

    @property
    def pending(self) -> int:
        """How many deliveries are still to be sent or tried again."""
        return self._outbox.open_count()

    def _drain(self, until: Callable[[], float]) -> list[Attempt]:
        made: list[Attempt] = []
        while not self._engine.stopping.is_set():
            step = self._step(until)
            if step is None:
                break
            made += step
        return made

    def _work(self) -> None:
        while not self._ended.is_set():
            self._engine.news.clear()
            if self._step(self._engine.clock.exact) is None and not self._ended.is_set():
                self._engine.news.wait(self._pause())

    def _pause(self) -> float:
        moments = (self._outbox.next_due(), self._engine.store.next_due())
        next_due = min((moment for moment in moments if moment is not None), default=FOREVER)
        # Not for ever: several threads share one signal, and each may miss it once.
        return max(0.0, min(next_due - self._engine.clock.exact(), 1.0))

    def _step(self, until: Callable[[], float]) -> list[Attempt] | None:
        self._engine.do_due()
        delivery = self._outbox.take(until())
        if delivery is None:
            return None
        made = self._send(delivery)
        with self._attempted:
            self._attempted.notify_all()
        return made

    def _send(self, delivery: Delivery) -> list[Attempt]:
        event = self._engine.store.locate(delivery.event)
        endpoint = self._engine.store.locate(delivery.endpoint)
        if event is None or endpoint is None or endpoint[1]["status"] != "enabled":
            self._outbox.finish(delivery, "failed")
            return []
        first = delivery.attempts == 0 and not delivery.held
        trouble = self._disturbances.strike(event[1]["type"], first=first)
        if "drop" in trouble:
            dropped = self._note(delivery, event[1], None, "dropped", "drop")
            self._outbox.finish(delivery, "dropped")
            return [dropped]
        if "delay" in trouble:
            self._outbox.put_back(delivery, self._engine.clock.exact() + trouble["delay"].seconds)
            return []
        return self._post(delivery, event[1], endpoint[1], trouble)

    def _post(
        self, delivery: Delivery, event: Obj, endpoint: Obj, trouble: dict[str, Disturbance]
    ) -> list[Attempt]:
        made = []
        if "other_mode" in trouble:
            made.append(self._try(delivery, event, endpoint, "other_mode"))
        forgery = next((how for how in trouble if how in bodies.FORGERIES), None)
        hows = (forgery, "overlap") if "overlap" in trouble else (forgery,)
        attempts = self._side_by_side(partial(self._try, delivery, event, endpoint), hows)
        made += attempts
        if "duplicate" in trouble:
            made.append(self._try(delivery, event, endpoint, "duplicate"))
        self._settle(delivery, attempts[0])
        return made

    def _side_by_side(
        self, send: Callable[[str | None], Attempt], hows: tuple[str | None, ...]
    ) -> list[Attempt]:
        if len(hows) == 1:
            return [send(hows[0])]
        with ThreadPoolExecutor(len(hows)) as threads:
            return list(threads.map(send, hows))

    def _try(self, delivery: Delivery, event: Obj, endpoint: Obj, how: str | None) -> Attempt:
        body, headers = bodies.compose(event, endpoint["_secret"], self.signing_time(), how)
        status, error = self._sender.post(endpoint["url"], body, headers, self.time_limit)
        return self._note(delivery, event, status, error, how)

    def _note(
        self,
        delivery: Delivery,
        event: Obj,
        status: int | None,
        error: str | None,
        how: str | None,
    ) -> Attempt:
        attempt = Attempt(
            event["id"],
            event["type"],
            delivery.endpoint,
            delivery.attempts + 1,
            status,
            error,
            how,
            self._engine.clock.exact(),
        )
        self.log.add(attempt)
        return attempt

    def _settle(self, delivery: Delivery, attempt: Attempt) -> None:
        if attempt.delivered:
            self._outbox.finish(delivery, "delivered")
        elif delivery.attempts < len(self.retry_delays):
            delay = self.retry_delays[delivery.attempts]
            self._outbox.retry(delivery, self._engine.clock.exact() + delay)
        else:
            self._outbox.finish(delivery, "failed")

    # Trouble on demand

    @property
    def seed(self) -> int:
        """What all random choices are drawn from; setting it starts the draws anew."""
        return self._disturbances.seed

    @seed.setter
    def seed(self, seed: int) -> None:
        self._disturbances.seed = seed

    def disturb(self, how: str, **when: Any) -> None:
        """Have deliveries go wrong from now on.

        :param how: `drop` (until it is resent), `delay` (by `seconds`), `duplicate`, `overlap`
            (a copy at the same time), `other_mode` (a copy from the other mode, before the true
            one), `bad_signature`, `missing_signature`, `bad_body` (changed after signing),
            `old_timestamp`, `future_timestamp` or `several_signatures` (a wrong one before the
            right one).
        :param when: `types` (such as `customer.*`), `every` (each n-th delivery, counted from now),
            `chance` (from 0 to 1, drawn from the seed), `times` (how many at most) and `seconds`.

        A forged delivery is sent in place of the true one, which follows when it is tried again.
        """
        self._disturbances.add(Disturbance(how, **when))

    def calm(self) -> None:
        """Let all deliveries go well again."""
        self._disturbances.clear()

    def reorder(self) -> None:
        """Shuffle what is waiting, as the seed says."""
        waiting = self._outbox.waiting()
        numbers = self._disturbances.shuffled([number for number, _ in waiting])
        places = [place for _, place in waiting]
        self._outbox.place(list(zip(numbers, places, strict=True)))

    def resend(self, event_id: str) -> int:
        """Queue an event once more for all endpoints that want it; gives how many these are.

        Raises `LookupError` for an unknown event.
        """
        located = self._engine.store.locate(event_id)
        if located is None or located[1]["object"] != "event":
            raise LookupError(f"There is no event {event_id}.")
        scope, event = located
        endpoints = self._outbox.endpoints_for(scope, event["type"])
        for endpoint in endpoints:
            self._outbox.add_again(event_id, endpoint["id"], self._engine.clock.exact())
        self._engine.news.set()
        return len(endpoints)

    @property
    def dropped(self) -> list[str]:
        """The ids of the events that were dropped and not resent."""
        return self._outbox.dropped()

    def reset(self) -> None:
        """Forget the log and all disturbances, and go back to the usual delays."""
        self._disturbances = Disturbances()
        self.log.clear()
        self._set_up()
