"""`flask billing run` finishes what was interrupted, until it is asked to stop."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from flask_billing import BilledProjectRow, BillingInfo, PaymentMethod, SetupSession, clock
from tests.cli.conftest import Shell
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

    assert printed.startswith("0 Working every 3600 seconds.")
    assert printed.count("nothing to do") == 1
    assert printed.rstrip().endswith("Stopped.")


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
