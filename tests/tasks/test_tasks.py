"""What each task does, tells and keeps to itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from flask import Flask
from sqlalchemy import text

from flask_billing import PaymentMethod, SetupSession, clock
from flask_billing.sandbox import Sandbox
from tests.host import Project, create_app, db
from tests.payment_methods.journey import start
from tests.tasks.brokers import connect
from tests.tasks.conftest import Post, States

TASKS = [
    "flask_billing.close_months",
    "flask_billing.process_events",
    "flask_billing.prune_events",
    "flask_billing.raise_alerts",
    "flask_billing.sweep",
]
TABLES = (
    "billing_alert",
    "billing_event_handling",
    "billing_event",
    "billing_rate",
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


@pytest.mark.parametrize("name", TASKS)
def test_failing_database_fails_the_task_without_its_statement(
    name: str, app: Flask, celery: Celery, caplog: pytest.LogCaptureFixture
) -> None:
    with app.app_context():
        for table in TABLES:
            db.session.execute(text(f"DROP TABLE {table}"))
        db.session.commit()

    done = celery.tasks[name].apply()

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

    done = celery.tasks[name].apply()

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
        from tests.tasks.brokers import connect

        celery = connect(create_app("sqlite://", BILLING_EVENT_PROCESSING="celery"), "memory://")
        print(sorted(name for name in celery.tasks if name.startswith("flask_billing")))
        """
    )

    assert printed == f"{TASKS}\n"
