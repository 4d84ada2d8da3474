"""The work of `flask billing run` on Celery, for hosts that have it anyway.

The broker only wakes workers up. What is to be done stays in the tables and is claimed from there,
so a message that is lost, late or doubled changes nothing but the hour.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from celery import shared_task
from celery.signals import worker_process_shutdown, worker_shutdown
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import alerts, collecting, events, invoicing, notifying, refunding
from flask_billing import heartbeats as beats
from flask_billing import payment_methods as methods
from flask_billing.state import current

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "BEAT_SCHEDULE",
    "close_months",
    "collect_chunk",
    "collect_due",
    "deliver_notifications",
    "look_again",
    "process_events",
    "prune_events",
    "raise_alerts",
    "sweep",
    "sweep_refunds",
    "wake",
]


def _every(name: str, **interval: float) -> dict[str, dict[str, Any]]:
    """Return an entry whose messages are worth nothing any more once the next one is due."""
    pause = timedelta(**interval)
    options = {"expires": pause.total_seconds()}
    return {name: {"task": name, "schedule": pause, "options": options}}


#: What Celery's beat has to start, and how often; to be merged into the host's `beat_schedule`.
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    **_every("flask_billing.process_events", minutes=1),
    **_every("flask_billing.close_months", minutes=1),
    **_every("flask_billing.collect_due", minutes=1),
    **_every("flask_billing.sweep_refunds", minutes=1),
    **_every("flask_billing.raise_alerts", minutes=1),
    **_every("flask_billing.sweep", minutes=1),
    **_every("flask_billing.look_again", minutes=1),
    **_every("flask_billing.deliver_notifications", seconds=15),
    # More often than needed: a beat that forgets when it last ran never gets to the end of a day.
    **_every("flask_billing.prune_events", hours=1),
}

#: How many events a task processes at most, so that a worker that is told to stop soon can.
_BATCH = 100
#: The same of periods that it closes, notifications that it delivers and methods that it reads.
_PERIODS = 2000
_NOTIFICATIONS = 100
_METHODS = 50
#: How many projects a task collects from, and of how many one task tells the others.
_PROJECTS = 20
_FAN_OUT = 5_000
#: After how many seconds the message about some projects has been followed by another.
_CHUNK_EXPIRES = 60
_WAKER = "billing.waker"
_PULSES = "billing.pulses"


@shared_task(name="flask_billing.process_events", ignore_result=True)
def process_events() -> dict[str, int]:
    """Process the events that are due, and have the rest of many processed by another task.

    :returns: How many came to which end, for the worker's log.
    """
    ends = _counts("events", lambda: asdict(events.process(limit=_BATCH, stop=_goes_on)))
    if sum(ends.values()) == _BATCH:
        wake()
    if ends.get("processed"):
        _counts("collecting", _go_on_soon)
    return ends


def _go_on_soon() -> dict[str, int]:
    """Have done at once what events gave rise to; of more than a few projects the beat knows."""
    keys = collecting.due_keys(_PROJECTS + 1)
    if 0 < len(keys) <= _PROJECTS:
        _start("flask_billing.collect_chunk", keys, expires=_CHUNK_EXPIRES)
    _start("flask_billing.deliver_notifications")
    return {}


@shared_task(name="flask_billing.sweep", ignore_result=True)
def sweep() -> dict[str, int]:
    """Finish what was interrupted: stays on the payment page, removals and holds.

    :returns: How many of each, for the worker's log.
    """
    return _counts("sweeping", lambda: asdict(methods.sweep()))


@shared_task(name="flask_billing.close_months", ignore_result=True)
def close_months() -> dict[str, int]:
    """Close months that have ended; the next task goes on where there are very many.

    :returns: How many were closed, with how many invoices, and how many projects were parked.
    """
    return _counts("closing", lambda: asdict(invoicing.close(limit=_PERIODS, stop=_goes_on)))


@shared_task(name="flask_billing.raise_alerts", ignore_result=True)
def raise_alerts() -> dict[str, int]:
    """Raise the spending alerts that are reached.

    :returns: How many were raised, for the worker's log.
    """
    return _counts("alerts", lambda: asdict(alerts.raise_due(stop=_goes_on)))


@shared_task(name="flask_billing.collect_due", ignore_result=True)
def collect_due() -> dict[str, int]:
    """Have the workers issue and collect the invoices that are due, in chunks of projects.

    :returns: For how many `projects`, for the worker's log.
    """
    return _counts("collecting", _fan_out)


def _fan_out() -> dict[str, int]:
    collecting.mend()
    collecting.settle_parked(stop=_goes_on)
    keys = collecting.due_keys(_FAN_OUT)
    for first in range(0, len(keys), _PROJECTS):
        chunk = keys[first : first + _PROJECTS]
        _start("flask_billing.collect_chunk", chunk, expires=_CHUNK_EXPIRES)
    return {"projects": len(keys)}


@shared_task(name="flask_billing.collect_chunk", ignore_result=True)
def collect_chunk(keys: list[str]) -> dict[str, int]:
    """Issue and collect the invoices of some projects that are due.

    Each is claimed in the database, so the same message may come twice, or never.

    :param keys: The keys of the projects.
    :returns: What became of the invoices, for the worker's log.
    """
    return _counts("collecting", lambda: asdict(collecting.collect(keys=keys, stop=_goes_on)))


@shared_task(name="flask_billing.deliver_notifications", ignore_result=True)
def deliver_notifications() -> dict[str, int]:
    """Deliver the notifications that are due, and have the rest of many delivered by another task.

    :returns: How many came to which end, for the worker's log.
    """
    ends = _counts(
        "notifications", lambda: asdict(notifying.deliver(limit=_NOTIFICATIONS, stop=_goes_on))
    )
    if sum(ends.values()) >= _NOTIFICATIONS:
        _start("flask_billing.deliver_notifications")
    return ends


@shared_task(name="flask_billing.sweep_refunds", ignore_result=True)
def sweep_refunds() -> dict[str, int]:
    """Settle refunds whose outcome is open, and give back what was paid twice.

    :returns: How many came to which end, for the worker's log.
    """
    return _counts("refunds", lambda: asdict(refunding.sweep(_goes_on)))


@shared_task(name="flask_billing.look_again", ignore_result=True)
def look_again() -> dict[str, int]:
    """Read payment methods that were not read this month.

    :returns: How many were read, and how many run out, for the worker's log.
    """
    return _counts(
        "payment methods", lambda: asdict(methods.look_again(limit=_METHODS, stop=_goes_on))
    )


@shared_task(name="flask_billing.prune_events", ignore_result=True)
def prune_events() -> dict[str, int]:
    """Forget old events, as `BILLING_EVENT_RETENTION_DAYS` says, and workers of weeks ago.

    :returns: How many events are `gone`, for the worker's log.
    """
    return _counts("pruning", _prune)


def _prune() -> dict[str, int]:
    beats.prune()
    return {"gone": events.prune()}


def _counts(part: str, work: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Do some work and return what came to more than nothing; with billing off there is none."""
    if not current().settings.enabled:
        return {}
    _pulse().beat(part)
    try:
        return {name: count for name, count in work().items() if count}
    except SQLAlchemyError as error:
        failure = type(error).__name__
    # Celery logs what a task raises: the error's own text holds the statement's parameters.
    raise RuntimeError(f"The database failed: {failure}.")


def _goes_on() -> bool:
    """Say that the process gets on, where work asks between two things whether it has to stop."""
    _pulse().beat()
    return False


def _pulse() -> beats.Pulse:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    pulses = app.extensions.get(_PULSES) or app.extensions.setdefault(_PULSES, _Pulses(app))
    own: beats.Pulse = pulses.own()
    return own


class _Pulses:
    """Says that this very process is at work, and when it ends in order; a worker forks several.

    Celery tells the processes of a prefork pool that they end, and the one process of any other
    pool. It promises no more than to try, and one that is killed, as by a time limit, hears
    nothing: silence gives those away.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._of_process: dict[int, beats.Pulse] = {}
        # Celery keeps no reference of its own, so these live as long as the app.
        worker_process_shutdown.connect(self._end)
        worker_shutdown.connect(self._end)

    def own(self) -> beats.Pulse:
        return self._of_process.setdefault(os.getpid(), beats.Pulse("celery"))

    def _end(self, exitcode: int = 0, **_: object) -> None:
        # One that had its number of tasks ends with another code: the next is forked at once, but
        # says nothing before its first task, and nobody would seem to be at work until then.
        pulse = self._of_process.pop(os.getpid(), None)
        if pulse is not None and exitcode == 0:
            with self._app.app_context():
                pulse.stop()


def _start(name: str, *args: Any, expires: float | None = None) -> None:
    """Have a worker start a task; where that fails, Celery's beat starts it soon."""
    celery = current_app.extensions.get("celery")
    if celery is None:
        return
    try:
        celery.tasks[name].apply_async(args, expires=expires)
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own
        # Not its text: that may hold the broker's address and password.
        current_app.logger.warning("%s could not be started: %s.", name, type(error).__name__)


def wake() -> None:
    """Have a worker process what is due; returns at once, whatever the broker does.

    A wake-up that gets lost costs a minute: Celery's beat starts the same task.
    """
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    celery = app.extensions.get("celery")
    if celery is None:
        app.logger.error(
            "Workers could not be woken: BILLING_EVENT_PROCESSING is 'celery', but "
            "app.extensions['celery'] is not set to the Celery app."
        )
    elif celery.conf.task_always_eager:
        # A host's tests, which want to see the effect.
        _send(app, celery)
    else:
        app.extensions.setdefault(_WAKER, _Waker(app, celery)).wake()


class _Waker:
    """Sends wake-ups from a thread beside the requests.

    Time-outs would not do: which of them a broker that hangs is subject to differs from transport
    to transport, and some of its answers are waited for without any. So at most one wake-up is on
    its way, and all that are asked for meanwhile become the next one.
    """

    def __init__(self, app: Flask, celery: Any) -> None:
        self._app = app
        self._celery = celery
        self._lock = Lock()
        self._asked = False
        self._thread: Thread | None = None

    def wake(self) -> None:
        with self._lock:
            self._asked = True
            # One that is dead belongs to the process that this one was forked from.
            if self._thread is None or not self._thread.is_alive():
                self._thread = Thread(target=self._run, name="billing-waker", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while self._is_asked():
            _send(self._app, self._celery)

    def _is_asked(self) -> bool:
        with self._lock:
            asked, self._asked = self._asked, False
            if not asked:
                self._thread = None
            return asked


def _send(app: Flask, celery: Any) -> None:
    try:
        # Tries again by itself: the connection may be one from before the broker's last restart.
        celery.tasks["flask_billing.process_events"].delay()
    except Exception as error:  # noqa: BLE001 - each transport has errors of its own
        # Not its text: that may hold the broker's address and password.
        app.logger.warning("Workers could not be woken: %s.", type(error).__name__)
