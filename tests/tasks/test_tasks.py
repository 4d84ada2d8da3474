"""What each task does, tells and keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import text

from flask_billing import (
    PaymentMethod,
    SetupSession,
    clock,
    collecting,
    heartbeats,
    tasks,
)
from flask_billing.sandbox import Sandbox
from flask_billing.tasks import BEAT_SCHEDULE
from tests.collecting import world
from tests.host import Project, create_app, db
from tests.payment_methods.journey import start
from tests.tasks.brokers import closed_port, connect
from tests.tasks.conftest import Post, States

TASKS = [
    "flask_billing.close_months",
    "flask_billing.collect_chunk",
    "flask_billing.collect_due",
    "flask_billing.deliver_notifications",
    "flask_billing.look_again",
    "flask_billing.process_events",
    "flask_billing.prune_events",
    "flask_billing.raise_alerts",
    "flask_billing.sweep",
    "flask_billing.sweep_refunds",
]
PASSWORD = "the-broker's-password"
#: What a task is told, where it is told anything.
ARGUMENTS = {"flask_billing.collect_chunk": [["1", "2"]]}
TABLES = (
    "billing_alert",
    "billing_collection",
    "billing_event_handling",
    "billing_event",
    "billing_notification",
    "billing_rate",
    "billing_refund",
    "payment_method",
    "setup_session",
)


@pytest.fixture
def celery(app: Flask) -> Celery:
    celery = connect(app, "memory://")
    celery.finalize()
    return celery


def test_processing_tells_how_many_came_to_which_end(
    celery: Celery, customers: list[str], post: Post, states: States
) -> None:
    for number, customer in enumerate([*customers, "cus_stranger"]):
        post(f"evt_{number}", customer)

    done = celery.tasks["flask_billing.process_events"].apply()

    assert done.result == {"processed": 2, "ignored": 1}
    assert states() == {"evt_0": "processed", "evt_1": "processed", "evt_2": "ignored"}


def test_sweep_finishes_what_was_interrupted(
    app: Flask, celery: Celery, stripe_sandbox: Sandbox
) -> None:
    with app.app_context():
        projects = [Project(name="one"), Project(name="two")]
        db.session.add_all(projects)
        db.session.commit()
        for project in projects:
            stripe_sandbox.complete_checkout(start(project))

    with clock.moved(lambda: datetime.now(UTC) + timedelta(minutes=10)):
        done = celery.tasks["flask_billing.sweep"].apply()

    assert done.result == {"completed": 2}
    with app.app_context():
        assert db.session.query(SetupSession).filter_by(open_marker=1).count() == 0
        assert db.session.query(PaymentMethod).filter_by(usable=True).count() == 2


def test_pruning_forgets_old_events_alone(
    celery: Celery, customers: list[str], post: Post, states: States
) -> None:
    with clock.moved(lambda: datetime.now(UTC) - timedelta(days=91)):
        post("evt_old", customers[0])
        celery.tasks["flask_billing.process_events"].apply()
    post("evt_new", customers[1])
    celery.tasks["flask_billing.process_events"].apply()

    done = celery.tasks["flask_billing.prune_events"].apply()

    assert done.result == {"gone": 1}
    assert states() == {"evt_new": "processed"}


def test_months_that_have_ended_are_closed(app: Flask, celery: Celery) -> None:
    with app.app_context(), clock.moved(lambda: datetime(2026, 6, 30, 23, tzinfo=UTC)):
        db.session.add_all([Project(name="one"), Project(name="two")])
        db.session.commit()

    with clock.moved(lambda: datetime(2026, 7, 1, 1, tzinfo=UTC)):
        done = celery.tasks["flask_billing.close_months"].apply()

    assert done.result == {"closed": 2}


def test_invoices_that_are_due_are_collected_in_chunks_and_people_told(
    app: Flask, celery: Celery, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "_PROJECTS", 2)
    celery.conf.task_always_eager = True
    with app.app_context():
        owners = [world.new_owner(stripe_sandbox, world.VISA) for _ in range(3)]
        ids = [world.new_invoice(owner, 1000) for owner in owners]

    done = celery.tasks["flask_billing.collect_due"].apply()
    again = celery.tasks["flask_billing.collect_chunk"].apply([[owners[0].key]])
    told = celery.tasks["flask_billing.deliver_notifications"].apply()

    assert done.result == {"projects": 3}
    assert again.result == {}
    assert sum(told.result.values()) == 6
    with app.app_context():
        assert [world.invoice(each).state for each in ids] == ["paid"] * 3
        assert [len(world.charges(stripe_sandbox, owner)) for owner in owners] == [1, 1, 1]


def test_broker_that_fails_meanwhile_loses_nothing_but_time(
    app: Flask, celery: Celery, stripe_sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)
    celery.conf.broker_url = f"redis://user:{PASSWORD}@127.0.0.1:{closed_port()}/0"

    done = celery.tasks["flask_billing.collect_due"].apply()

    assert (done.state, done.result) == ("SUCCESS", {"projects": 1})
    assert "flask_billing.collect_chunk could not be started: OperationalError." in caplog.text
    assert PASSWORD not in caplog.text
    with app.app_context():
        assert world.collection(invoice_id).state == "waiting"


def test_overpayment_is_given_back_and_methods_are_read_again(
    app: Flask, celery: Celery, stripe_sandbox: Sandbox
) -> None:
    with app.app_context():
        invoice_id = world.new_invoice(world.new_owner(stripe_sandbox, world.VISA), 1000)
        collecting.collect()
        stripe_id = str(world.collection(invoice_id).stripe_id)
        stripe_sandbox.pay_again(stripe_id)
        assert collecting.observe(stripe_id)

    given = celery.tasks["flask_billing.sweep_refunds"].apply()
    with clock.moved(lambda: datetime.now(UTC) + timedelta(days=31)):
        read = celery.tasks["flask_billing.look_again"].apply()

    assert given.state == "SUCCESS"
    assert [r["amount"] for r in stripe_sandbox.objects("refund")] == [1000]
    assert read.result == {"looked": 1}


def test_worker_says_that_it_lives(app: Flask, celery: Celery) -> None:
    for name in ("flask_billing.sweep", "flask_billing.close_months"):
        celery.tasks[name].apply()

    with app.app_context():
        [worker] = heartbeats.at_work()
        assert (worker.kind, worker.part) == ("celery", "sweeping")


def test_task_that_takes_long_says_that_it_gets_on(
    app: Flask,
    celery: Celery,
    customers: list[str],
    post: Post,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeats, "_BETWEEN", timedelta(0))
    for number, customer in enumerate(customers):
        post(f"evt_{number}", customer)
    beats: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if statement.startswith("UPDATE billing_worker"):
            beats.append(statement)

    with app.app_context():
        sqlalchemy_event.listen(db.engine, "before_cursor_execute", note)
    celery.tasks["flask_billing.process_events"].apply()

    assert len(beats) >= len(customers)


@pytest.mark.parametrize("entry", BEAT_SCHEDULE.values(), ids=lambda entry: entry["task"])
def test_message_of_the_beat_is_worth_nothing_once_the_next_one_is_due(
    entry: dict[str, Any],
) -> None:
    assert entry["options"]["expires"] == entry["schedule"].total_seconds()
    assert entry["task"] in TASKS


@pytest.mark.parametrize("name", TASKS)
def test_failing_database_fails_the_task_without_its_statement(
    name: str, app: Flask, celery: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        for table in TABLES:
            db.session.execute(text(f"DROP TABLE {table}"))
        db.session.commit()

    done = celery.tasks[name].apply(ARGUMENTS.get(name, []))

    assert done.state == "FAILURE"
    assert str(done.result) == "The database failed: OperationalError."
    assert done.result.__context__ is None
    told = f"{done.traceback}{caplog.text}"
    assert "The database failed" in told
    assert "SELECT" not in told
    assert "no such table" not in told


@pytest.mark.parametrize("name", TASKS)
def test_nothing_is_done_while_billing_is_off(name: str, sqlite_url: str) -> None:
    app = create_app(sqlite_url)
    celery = connect(app, "memory://")
    celery.finalize()

    done = celery.tasks[name].apply(ARGUMENTS.get(name, []))

    assert (done.state, done.result) == ("SUCCESS", {})


def test_package_does_without_celery(run_python: Callable[[str], str]) -> None:
    printed = run_python(
        """
        import sys

        import flask_billing

        print(any(name.startswith(("celery", "kombu")) for name in sys.modules))
        """
    )

    assert printed == "False\n"


def test_setting_without_celery_is_refused_with_the_way_to_get_it(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        import sys

        sys.modules["celery"] = None

        from flask_billing.settings import SettingsError
        from tests.host import create_app

        try:
            create_app("sqlite://", BILLING_EVENT_PROCESSING="celery")
        except SettingsError as error:
            print(error)
        """
    )

    assert "BILLING_EVENT_PROCESSING" in printed
    assert 'pip install "flask-billing[celery]"' in printed


def test_app_that_is_set_up_for_celery_brings_the_tasks_to_its_worker(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        from tests.host import create_app
        from tests.tasks.brokers import closed_port, connect

        celery = connect(create_app("sqlite://", BILLING_EVENT_PROCESSING="celery"), "memory://")
        print(sorted(name for name in celery.tasks if name.startswith("flask_billing")))
        """
    )

    assert printed == f"{TASKS}\n"
