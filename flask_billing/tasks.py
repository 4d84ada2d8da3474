"""The work of `flask billing run` on Celery, for hosts that have it anyway.

The broker only wakes workers up. What is to be done stays in the tables and is claimed from there,
so a message that is lost, late or doubled changes nothing but the hour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from threading import Lock, Thread
from typing import TYPE_CHECKING, Any

from celery import shared_task
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import alerts, events, invoicing, payment_methods
from flask_billing.state import current

if TYPE_CHECKING:
    from flask import Flask

__all__ = [
    "BEAT_SCHEDULE",
    "close_months",
    "process_events",
    "prune_events",
    "raise_alerts",
    "sweep",
    "wake",
]

#: What Celery's beat has to start, and how often; to be merged into the host's `beat_schedule`.
BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    "flask_billing.process_events": {
        "task": "flask_billing.process_events",
        "schedule": timedelta(minutes=1),
    },
    "flask_billing.sweep": {"task": "flask_billing.sweep", "schedule": timedelta(minutes=1)},
    "flask_billing.close_months": {
        "task": "flask_billing.close_months",
        "schedule": timedelta(minutes=1),
    },
    "flask_billing.raise_alerts": {
        "task": "flask_billing.raise_alerts",
        "schedule": timedelta(minutes=1),
    },
    # More often than needed: a beat that forgets when it last ran never gets to the end of a day.
    "flask_billing.prune_events": {
        "task": "flask_billing.prune_events",
        "schedule": timedelta(hours=1),
    },
}

#: How many events a task processes at most, so that a worker that is told to stop soon can.
_BATCH = 100
#: How many periods a task closes at most, for the same reason.
_PERIODS = 2000
_WAKER = "billing.waker"


@shared_task(name="flask_billing.process_events", ignore_result=True)
def process_events() -> dict[str, int]:
    """Process the events that are due, and have the rest of many processed by another task.

    :returns: How many came to which end, for the worker's log.
    """
    ends = _counts(lambda: asdict(events.process(limit=_BATCH)))
    if sum(ends.values()) == _BATCH:
        wake()
    return ends


@shared_task(name="flask_billing.sweep", ignore_result=True)
def sweep() -> dict[str, int]:
    """Finish what was interrupted: stays on the payment page, removals and holds.

    :returns: How many of each, for the worker's log.
    """
    return _counts(lambda: asdict(payment_methods.sweep()))


@shared_task(name="flask_billing.close_months", ignore_result=True)
def close_months() -> dict[str, int]:
    """Close months that have ended; the next task goes on where there are very many.

    :returns: How many were closed, with how many invoices, and how many projects were parked.
    """
    return _counts(lambda: asdict(invoicing.close(limit=_PERIODS)))


@shared_task(name="flask_billing.raise_alerts", ignore_result=True)
def raise_alerts() -> dict[str, int]:
    """Raise the spending alerts that are reached.

    :returns: How many were raised, for the worker's log.
    """
    return _counts(lambda: asdict(alerts.raise_due()))


@shared_task(name="flask_billing.prune_events", ignore_result=True)
def prune_events() -> dict[str, int]:
    """Forget the events that are older than `BILLING_EVENT_RETENTION_DAYS`.

    :returns: How many are `gone`, for the worker's log.
    """
    return _counts(lambda: {"gone": events.prune()})


def _counts(work: Callable[[], dict[str, int]]) -> dict[str, int]:
    """Do some work and return what came to more than nothing; with billing off there is none."""
    if not current().settings.enabled:
        return {}
    try:
        return {name: count for name, count in work().items() if count}
    except SQLAlchemyError as error:
        failure = type(error).__name__
    # Celery logs what a task raises: the error's own text holds the statement's parameters.
    raise RuntimeError(f"The database failed: {failure}.")


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
