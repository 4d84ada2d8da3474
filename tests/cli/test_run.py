"""`flask billing run` processes events and finishes the rest, until it is asked to stop."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any

import pytest

from flask_billing import BilledProjectRow, BillingInfo, PaymentMethod, SetupSession, clock
from flask_billing.events import Notice
from flask_billing.models import BillingEvent
from flask_billing.state import EventHandler
from tests.cli.conftest import MovedClock, Shell, event
from tests.host import create_app, db

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask_billing.sandbox import Sandbox


def test_once_tells_that_there_was_nothing_to_do(ready: Shell) -> None:
    result = ready.billing("run", "--once")

    assert result.exit_code == 0
    assert result.output.endswith("nothing to do\n")


def test_once_finishes_what_waits_and_tells_what_it_did(ready: Shell) -> None:
    interrupt(ready)

    result = ready.billing("run", "--once")

    assert result.exit_code == 0, result.output
    assert "1 removed, 1 expired" in result.output
    with ready.app.app_context():
        assert db.session.scalars(db.select(SetupSession.state)).all() == ["expired"]
        assert db.session.scalars(db.select(PaymentMethod.removed_at)).one() is not None


def test_once_fails_when_something_failed(ready: Shell, stripe_sandbox: Sandbox) -> None:
    interrupt(ready)
    stripe_sandbox.fail("GET /v1/payment_methods/*", how="error_500", times=9)
    stripe_sandbox.fail("POST /v1/payment_methods/*", how="error_500", times=9)

    result = ready.billing("run", "--once")

    assert result.exit_code == 1
    assert "1 failed" in result.output


def test_database_trouble_is_told_without_a_traceback(history: Shell) -> None:
    result = history.billing("run", "--once")

    assert result.exit_code == 1
    assert "failed: OperationalError ('flask billing check' may tell more)" in result.output
    assert "SELECT" not in result.output


def test_billing_that_is_off_leaves_nothing_to_do(sqlite_url: str, folder: Path) -> None:
    result = Shell(create_app(sqlite_url), folder).billing("run")

    assert result.exit_code == 0
    assert "Billing is off" in result.output


@pytest.mark.parametrize("number", ["SIGTERM", "SIGINT"])
def test_long_rest_ends_when_it_is_asked_to_stop(
    number: str, run_python: Callable[[str], str]
) -> None:
    printed = run_python(
        f"""
        import os
        import signal
        import threading

        from tests.host import create_app, db

        app = create_app(f"sqlite:///{{os.getcwd()}}/run.sqlite", STRIPE_SECRET_KEY="sk_test_1")
        with app.app_context():
            db.create_all()
            db.engine.dispose()
        before = signal.getsignal(signal.{number})
        threading.Timer(2, os.kill, [os.getpid(), signal.{number}]).start()
        done = app.test_cli_runner().invoke(args=["billing", "run", "--interval", "3600"])
        assert signal.getsignal(signal.{number}) is before
        print(done.exit_code, done.output)
        """
    )

    assert printed.startswith("0 Working every 3600 seconds, on events every 2. Ctrl-C stops.")
    assert printed.count("nothing to do") == 1
    assert printed.rstrip().endswith("Stopped.")


def test_once_processes_events_and_forgets_old_ones(
    stocked: Shell, handlers: list[EventHandler], moved_clock: MovedClock
) -> None:
    told = tell(handlers)
    save(stocked, event(1), *(waiting(number) for number in (2, 3)))
    save(stocked, waiting(4, customer_id="cus_of_somebody_else"))
    moved_clock.shift(100 * 24 * 3600)

    result = stocked.billing("run", "--once")

    assert result.exit_code == 0, result.output
    assert told == ["evt_2", "evt_3"]
    assert "2 events processed, 1 event ignored, 4 old events forgotten\n" in result.output


def test_once_fails_when_an_event_is_to_be_tried_again(
    stocked: Shell, handlers: list[EventHandler]
) -> None:
    def stumble(notice: Any) -> None:
        raise RuntimeError("ann@example.com")

    handlers.append(EventHandler("customer.created", "host.stumble", stumble))
    save(stocked, waiting(1), waiting(2, attempts=11))

    result = stocked.billing("run", "--once")

    assert result.exit_code == 1
    assert "1 event retried, 1 event failed\n" in result.output
    assert "ann@example.com" not in result.output


def test_events_are_looked_for_more_often_than_the_rest_is_done(
    stocked: Shell, handlers: list[EventHandler]
) -> None:
    told: list[str] = []

    def follow(notice: Notice) -> None:
        """Have another event arrive, until the third, and then ask to stop."""
        told.append(notice.stripe_id)
        if len(told) < 3:
            db.session.add(waiting(len(told) + 1, next_try_at=soon()))
        else:
            os.kill(os.getpid(), signal.SIGTERM)

    def soon() -> datetime:
        return clock.now() + timedelta(seconds=0.2)

    handlers.append(EventHandler("customer.created", "host.follow", follow))
    save(stocked, waiting(1))

    result = stocked.billing("run", "--interval", "3600", "--poll", "0.1")

    lines = [line.partition("Z ")[2] for line in result.output.splitlines()]
    assert lines[1:-1] == ["1 event processed"] * 3
    assert lines[-1] == ""
    assert result.output.endswith("Stopped.\n")
    assert told == ["evt_1", "evt_2", "evt_3"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_ends_after_the_event_under_way(
    stocked: Shell, handlers: list[EventHandler], number: signal.Signals
) -> None:
    told: list[str] = []

    def ask_to_stop(notice: Notice) -> None:
        told.append(notice.stripe_id)
        os.kill(os.getpid(), number)

    handlers.append(EventHandler("customer.created", "host.stop", ask_to_stop))
    interrupt(stocked)
    save(stocked, waiting(1, hours=2), waiting(2, hours=1))

    result = stocked.billing("run")

    assert result.exit_code == 0
    assert told == ["evt_1"]
    assert states(stocked) == {"evt_1": "processed", "evt_2": "pending"}
    assert "Z 1 event processed\n" in result.output


def test_backlog_does_not_keep_the_rest_from_being_done(
    stocked: Shell, handlers: list[EventHandler], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("flask_billing.cli.run"), "_BATCH", 2)
    told = tell(handlers)
    interrupt(stocked)
    save(stocked, *(waiting(number, hours=9 - number) for number in range(1, 6)))
    handlers.append(
        EventHandler(
            "customer.created",
            "host.stop",
            lambda notice: os.kill(os.getpid(), signal.SIGTERM) if len(told) == 5 else None,
        )
    )

    result = stocked.billing("run", "--poll", "3600")

    lines = [line.partition("Z ")[2] for line in result.output.splitlines()]
    assert lines[1:4] == [
        "2 events processed, 1 removed, 1 expired",
        "2 events processed",
        "1 event processed",
    ]


def test_trouble_with_the_database_is_not_tried_every_moment(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        import os
        import signal
        import threading

        from tests.host import create_app

        app = create_app(f"sqlite:///{os.getcwd()}/none.sqlite", STRIPE_SECRET_KEY="sk_test_1")
        threading.Timer(2, os.kill, [os.getpid(), signal.SIGTERM]).start()
        done = app.test_cli_runner().invoke(args=["billing", "run", "--poll", "0.2"])
        print(done.output)
        """
    )

    assert 2 <= printed.count("failed: OperationalError") <= 4
    assert printed.rstrip().endswith("Stopped.")


def waiting(number: int, **values: Any) -> BillingEvent:
    """One that is due, of a type that only handlers deal with."""
    given = {
        "type": "customer.created",
        "customer_id": None,
        "state": "pending",
        "ended_at": None,
        "attempts": 0,
        "next_try_at": clock.now() - timedelta(hours=values.get("hours", 0)),
    }
    return event(number, **given | values)


def tell(handlers: list[EventHandler]) -> list[str]:
    """Have a handler note the events that it is told of."""
    told: list[str] = []
    handlers.append(
        EventHandler("customer.created", "host.tell", lambda notice: told.append(notice.stripe_id))
    )
    return told


def save(shell: Shell, *rows: Any) -> None:
    with shell.app.app_context():
        db.session.add_all(rows)
        db.session.commit()


def states(shell: Shell) -> dict[str, str]:
    with shell.app.app_context():
        rows = db.session.scalars(db.select(BillingEvent).order_by(BillingEvent.stripe_id))
        return {row.stripe_id: row.state for row in rows}


def interrupt(shell: Shell) -> None:
    """Leave a removal and a setup session half done, an hour ago."""
    earlier = clock.now() - timedelta(hours=1)
    with shell.app.app_context():
        info = BillingInfo(stripe_id="cus_1")
        method = PaymentMethod(stripe_id="pm_1", billing_info=info)
        db.session.add(method)
        db.session.commit()
        method.position, method.leaving_at = None, earlier
        db.session.add(BilledProjectRow(project_key="1"))
        db.session.add(SetupSession(project_key="1", created_at=earlier))
        db.session.commit()
