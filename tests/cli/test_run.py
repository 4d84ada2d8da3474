"""`flask billing run` processes events and finishes the rest, until it is asked to stop."""

from __future__ import annotations

import os
import signal
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    PaymentMethod,
    SetupSession,
    alerts,
    clock,
    collecting,
    heartbeats,
)
from flask_billing.cli import turns
from flask_billing.events import Notice
from flask_billing.models import BillingEvent, BillingWorker
from flask_billing.notifying import LogNotifier
from flask_billing.state import EventHandler
from tests.cli.conftest import MovedClock, Shell, event
from tests.collecting import world
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
    [told] = [line for line in result.output.splitlines() if "failed" in line and "Z " in line]
    assert told.endswith("failed: OperationalError ('flask billing check' may tell more)")
    assert "events, closing, collecting, refunds, alerts" in told
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

        from flask_billing.models import GatewayAccount
        from tests.host import create_app, db

        app = create_app(f"sqlite:///{{os.getcwd()}}/run.sqlite", STRIPE_SECRET_KEY="sk_test_1")
        with app.app_context():
            db.create_all()
            digest = app.extensions["billing"].settings.key_digest
            db.session.add(GatewayAccount(key_digest=digest, account_id="acct_1"))
            db.session.commit()
            db.engine.dispose()
        before = signal.getsignal(signal.{number})
        threading.Timer(2, os.kill, [os.getpid(), signal.{number}]).start()
        done = app.test_cli_runner().invoke(args=["billing", "run", "--interval", "3600"])
        assert signal.getsignal(signal.{number}) is before
        print(done.exit_code, done.output)
        """
    )

    assert printed.startswith("0 Working every 3600 seconds, on what is due at once every 2. ")
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
    monkeypatch.setattr(turns, "_SLICE", 0)
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
    assert lines[1:6] == [
        "1 event processed, 1 removed, 1 expired",
        *["1 event processed"] * 4,
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


def test_once_brings_in_the_money_and_tells_people(stocked: Shell, stripe_sandbox: Sandbox) -> None:
    with stocked.app.app_context():
        good, bad = (world.new_owner(stripe_sandbox, card) for card in (world.VISA, world.BAD))
        paid, unpaid = world.new_invoice(good, 1000), world.new_invoice(bad, 300)

    result = stocked.billing("run", "--once")

    assert result.exit_code == 0, result.output
    assert "2 invoices issued, 1 invoice paid, 1 invoice not paid" in result.output
    assert "4 notifications s" in result.output
    with stocked.app.app_context():
        assert [world.invoice(each).state for each in (paid, unpaid)] == ["paid", "open"]
        [worker] = db.session.scalars(db.select(BillingWorker))
        assert (worker.kind, worker.stopped_at is not None) == ("once", True)


def test_threads_that_collect_say_that_the_process_gets_on(
    database_url: str,
    folder: Path,
    settings: dict[str, Any],
    stripe_sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(heartbeats, "_BETWEEN", timedelta(0))
    shell = Shell(create_app(database_url, **settings), folder)
    with shell.app.app_context():
        db.create_all()
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(6)]
        ids = [world.new_invoice(owner, 1000) for owner in owners]

    result = shell.billing("run", "--once")

    assert result.exit_code == 0, result.output
    assert "heartbeat" not in caplog.text
    with shell.app.app_context():
        assert [world.invoice(each).state for each in ids] == ["paid"] * 6
        assert [len(world.charges(stripe_sandbox, owner)) for owner in owners] == [1] * 6
        assert len(db.session.scalars(db.select(BillingWorker)).all()) == 1


def test_part_that_fails_keeps_no_other_from_its_work(
    stocked: Shell, stripe_sandbox: Sandbox, handlers: list[EventHandler]
) -> None:
    told = tell(handlers)
    interrupt(stocked)
    save(stocked, waiting(1), waiting(2))
    with stocked.app.app_context():
        invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)
        db.session.execute(db.text("DROP TABLE billing_alert"))
        db.session.commit()

    result = stocked.billing("run", "--once")

    assert result.exit_code == 1
    assert "Z alerts failed: OperationalError ('flask billing check' may tell" in result.output
    assert told == ["evt_1", "evt_2"]
    assert "1 removed" in result.output
    with stocked.app.app_context():
        assert world.invoice(invoice_id).state == "paid"


def test_fault_of_ours_is_told_by_its_kind_and_the_rest_goes_on(
    stocked: Shell, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(**_options: Any) -> None:
        raise KeyError("ann@example.com")

    monkeypatch.setattr(alerts, "raise_due", stumble)
    with stocked.app.app_context():
        invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)

    result = stocked.billing("run", "--once")

    assert result.exit_code == 1
    assert "Z alerts failed: KeyError" in result.output
    assert "ann@example.com" not in result.output
    with stocked.app.app_context():
        assert world.invoice(invoice_id).state == "paid"


def test_what_is_due_soon_is_collected_and_told_before_the_next_sweep(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    with stocked.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        first, second = (
            world.new_invoice(owner, 1000, month=month) for month in (world.JULY, world.AUGUST)
        )
        collecting.mend()
        world.set_collection(second, next_try_at=clock.now() + timedelta(hours=1))
    taken: list[str] = []

    class Told(LogNotifier):
        """Has the second invoice be due once the first is told of, and ends the run after that."""

        def send(self, letters: Any) -> int:
            taken.append("told")
            if len(taken) == 1:
                world.set_collection(second, next_try_at=clock.now())
            else:
                os.kill(os.getpid(), signal.SIGTERM)
            return len(letters)

    hooks = stocked.app.extensions["billing"].hooks
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hooks, "notifier", Told())
        patch.setattr(hooks, "members_emails", lambda project_key: ["ann@example.com"])
        result = stocked.billing("run", "--interval", "3600", "--poll", "0.1")

    assert result.output.count("1 invoice paid") == 2
    assert "ann@example.com" not in result.output
    with stocked.app.app_context():
        assert [world.invoice(each).state for each in (first, second)] == ["paid", "paid"]


def test_process_at_work_is_seen_and_says_when_it_ended(
    stocked: Shell, handlers: list[EventHandler]
) -> None:
    seen: list[tuple[str, str | None]] = []

    def look(notice: Notice) -> None:
        seen.extend((each.kind, each.part) for each in heartbeats.at_work())
        os.kill(os.getpid(), signal.SIGTERM)

    handlers.append(EventHandler("customer.created", "host.look", look))
    save(stocked, waiting(1))

    stocked.billing("run")

    assert seen == [("run", "events")]
    with stocked.app.app_context():
        assert heartbeats.at_work() == []


def test_part_that_fails_is_left_alone_for_longer_and_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [0.0]
    monkeypatch.setattr(turns, "monotonic", lambda: now[0])
    patience = turns.Patience(2, 60)
    bad, good = (turns.Part(name, lambda stop: {}) for name in ("bad", "good"))
    tried = []

    while now[0] < 200:
        due = [part for part in (bad, good) if patience.may(part)]
        tried += [now[0] for part in due if part is bad]
        patience.note(due, {"bad"})
        now[0] += 1

    assert tried == [0, 2, 6, 14, 30, 62, 122, 182]
    assert patience.may(good)


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
