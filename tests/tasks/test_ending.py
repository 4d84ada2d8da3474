"""A worker that ends in order says so, in each of its processes; one that is replaced does not."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import select

from flask_billing import heartbeats
from flask_billing.models import BillingWorker
from tests.host import db
from tests.tasks.brokers import REDIS, connect, reached, working

Eventually = Callable[[Callable[[], bool]], bool]


@pytest.mark.parametrize("pool", ["prefork", "solo", "threads"])
def test_worker_that_is_asked_to_stop_says_that_it_ends(
    pool: str, app: Flask, eventually: Eventually
) -> None:
    celery = connect(app, reached(REDIS))

    with working(app, celery, "--pool", pool) as worker:
        celery.tasks["flask_billing.sweep"].delay()
        was_at_work = eventually(lambda: kinds_at_work(app) == ["celery"])

    assert worker.returncode == 0
    assert was_at_work
    assert kinds_at_work(app) == []
    assert have_ended(app) == [True]


def test_process_that_is_replaced_leaves_it_to_the_next_one_to_end(
    app: Flask, eventually: Eventually
) -> None:
    celery = connect(app, reached(REDIS))

    with working(app, celery, "--max-tasks-per-child", "1"):
        for _ in range(3):
            celery.tasks["flask_billing.sweep"].delay()
        were_at_work = eventually(lambda: kinds_at_work(app) == ["celery"] * 3)

    assert were_at_work


def test_worker_that_is_killed_says_nothing(app: Flask, eventually: Eventually) -> None:
    celery = connect(app, reached(REDIS))

    with working(app, celery, "--pool", "solo") as worker:
        celery.tasks["flask_billing.sweep"].delay()
        was_at_work = eventually(lambda: kinds_at_work(app) == ["celery"])
        worker.send_signal(signal.SIGKILL)
        worker.wait()

    assert was_at_work
    assert have_ended(app) == [False]


def kinds_at_work(app: Flask) -> list[str]:
    with app.app_context():
        return [each.kind for each in heartbeats.at_work()]


def have_ended(app: Flask) -> list[bool]:
    """Whether each process that was ever heard has ended in order."""
    with app.app_context():
        return [each.stopped_at is not None for each in db.session.scalars(select(BillingWorker))]
