"""Workers are killed while they collect, messages get lost and come twice: each pays once."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update

from flask_billing import InvoiceCollection, PaymentAttempt, clock, collecting
from flask_billing.models import table_of
from flask_billing.sandbox import Sandbox
from tests.collecting import world
from tests.host import create_app, db
from tests.tasks.brokers import REDIS, connect, forget_taken, reached, working

pytestmark = pytest.mark.database

PROJECTS = 12


@pytest.fixture
def app(postgresql_url: str, stripe_sandbox: Sandbox) -> Iterator[Flask]:
    app = create_app(
        postgresql_url,
        BILLING_EVENT_PROCESSING="celery",
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
    )
    with app.app_context():
        db.create_all()
    yield app
    stripe_sandbox.latency = 0
    with app.app_context():
        db.session.remove()


def test_workers_that_are_killed_charge_each_invoice_once(
    app: Flask,
    stripe_sandbox: Sandbox,
    eventually: Callable[[Callable[[], bool]], bool],
    tmp_path: Path,
) -> None:
    with app.app_context():
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(PROJECTS)]
        ids = [world.new_invoice(owner, 1000 + index) for index, owner in enumerate(owners)]
        collecting.mend()
    celery = connect(app, reached(REDIS))
    chunk = celery.tasks["flask_billing.collect_chunk"]
    # So slow that whoever is killed is in the middle of it.
    stripe_sandbox.latency = 0.2

    def paying() -> int:
        return sum(call.path.endswith("/pay") for call in stripe_sandbox.requests)

    with ExitStack() as workers:
        doomed = [
            workers.enter_context(working(app, celery, "--pidfile", "", "-n", f"doomed{number}@%h"))
            for number in (1, 2)
        ]
        # Each of them twice, and a third time for two of them at once.
        for owner in owners:
            chunk.delay([owner.key])
            chunk.delay([owner.key])
        chunk.delay([owner.key for owner in owners[:2]])
        assert eventually(lambda: paying() >= 3)
        for process in doomed:
            kill_all_of(process)
        forget_taken(celery)
    with app.app_context():
        begun = [state for invoice_id in ids for state in world.states(invoice_id)]
        stripe_sandbox.latency = 0
        pass_claims_by()
    last = connect(app, reached(REDIS))
    with working(app, last, "--beat", "--schedule", str(tmp_path / "beat")):
        paid = eventually(lambda: states_of(app, ids) == {"paid"})

    assert begun
    assert begun.count("succeeded") < PROJECTS
    assert paid
    with app.app_context():
        charged = [[c.amount for c in world.charges(stripe_sandbox, owner)] for owner in owners]
        assert charged == [[1000 + index] for index in range(PROJECTS)]
        assert db.session.scalars(select(PaymentAttempt.in_flight_marker).distinct()).all() == [
            None
        ]


def kill_all_of(process: subprocess.Popen[str]) -> None:
    """Kill a worker and the processes that it has forked, at once."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for pid in (process.pid, *map(int, children)):
        os.kill(pid, signal.SIGKILL)
    process.wait()


def pass_claims_by() -> None:
    """Let the time go by after which the claims of the dead, and the unknown outcomes, are due."""
    row, attempt = table_of(InvoiceCollection), table_of(PaymentAttempt)
    ago = clock.now() - timedelta(minutes=11)
    is_claimed = row.c.claimed_by.is_not(None)
    db.session.execute(update(row).where(is_claimed).values(claimed_until=ago, next_try_at=ago))
    db.session.execute(update(attempt).where(attempt.c.state == "sending").values(sent_at=ago))
    db.session.commit()


def states_of(app: Flask, ids: list[object]) -> set[str]:
    with app.app_context():
        return {world.invoice(invoice_id).state for invoice_id in ids}  # type: ignore[arg-type]
