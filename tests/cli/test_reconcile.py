"""`flask billing reconcile stripe` and `flask billing sync` bring tables and Stripe together."""

from __future__ import annotations

import os
import pty
import re
import signal
from typing import TYPE_CHECKING, Any

import pytest

from flask_billing import BilledProjectRow, BillingInfo, PaymentMethod
from flask_billing.state import current
from tests.cli.conftest import Shell
from tests.host import Project, db
from tests.payment_methods.journey import MASTERCARD, save, start

if TYPE_CHECKING:
    from collections.abc import Callable

    import stripe
    from flask import Flask

    from flask_billing.sandbox import Sandbox


@pytest.fixture
def saved(stocked: Shell, stripe_sandbox: Sandbox) -> list[str]:
    """Two projects with two payment methods each: their ids at Stripe."""
    with stocked.app.app_context():
        projects = [Project(name="one"), Project(name="two")]
        db.session.add_all(projects)
        db.session.commit()
        for project in projects:
            save(stripe_sandbox, project)
            save(stripe_sandbox, project, MASTERCARD)
        found = db.session.scalars(db.select(PaymentMethod.stripe_id).order_by(PaymentMethod.id))
        return list(found)


def info_ids(app: Flask) -> list[str]:
    with app.app_context():
        return [str(i) for i in db.session.scalars(db.select(BillingInfo.id).order_by("id"))]


def usable(app: Flask) -> list[str]:
    """Stripe's ids of the methods that are in the tables."""
    with app.app_context():
        there = db.select(PaymentMethod.stripe_id).where(PaymentMethod.removed_at.is_(None))
        return list(db.session.scalars(there.order_by(PaymentMethod.id)))


def test_what_agrees_ends_well(stocked: Shell, saved: list[str]) -> None:
    result = stocked.billing("reconcile", "stripe")

    assert result.exit_code == 0
    assert result.output == (
        "Looked at billing info (2), customers at Stripe (2). Stripe and the tables agree.\n"
    )


def test_difference_is_told_and_fixed_when_it_is_asked_for(
    stocked: Shell, saved: list[str], sdk: stripe.StripeClient
) -> None:
    sdk.v1.payment_methods.detach(saved[1])

    told = stocked.billing("reconcile", "stripe")
    untouched = usable(stocked.app)
    fixed = stocked.billing("reconcile", "stripe", "--fix")
    after = stocked.billing("reconcile", "stripe")

    assert (told.exit_code, fixed.exit_code, after.exit_code) == (1, 0, 0)
    assert f"differs  Payment method {saved[1]} is gone at Stripe" in told.output
    assert untouched == saved
    assert f"fixed    Payment method {saved[1]} is gone at Stripe" in fixed.output
    assert "1 fixed, 0 left." in fixed.output
    assert usable(stocked.app) == [saved[0], *saved[2:]]


def test_what_cannot_be_fixed_is_left_and_told(stocked: Shell, saved: list[str]) -> None:
    with stocked.app.app_context():
        db.session.add(BillingInfo(stripe_id="cus_elsewhere"))
        db.session.commit()

    reconciled = stocked.billing("reconcile", "stripe", "--fix")
    synced = stocked.billing("sync")

    assert (reconciled.exit_code, synced.exit_code) == (1, 1)
    assert "left     Stripe shows this key no customer cus_elsewhere" in reconciled.output
    assert "left     Stripe shows this key no customer cus_elsewhere" in synced.output
    assert usable(stocked.app) == saved


@pytest.mark.parametrize("words", [("reconcile", "stripe", "--fix"), ("sync",)])
def test_failure_on_the_way_says_where_to_go_on(
    stocked: Shell,
    saved: list[str],
    sdk: stripe.StripeClient,
    stripe_sandbox: Sandbox,
    words: tuple[str, ...],
) -> None:
    sdk.v1.payment_methods.detach(saved[3])
    stripe_sandbox.fail("GET /v1/customers/*/payment_methods", how="error_500", nth=2, times=3)
    first = info_ids(stocked.app)[0]

    broken = stocked.billing(*words)
    stripe_sandbox.requests.clear()
    resumed = stocked.billing(*words, "--after", first)

    assert broken.exit_code == 1
    assert broken.output.endswith(f"Go on with --after {first}\n")
    assert resumed.exit_code == 0, resumed.output
    assert "billing info (1)" in resumed.output or "customers (1)" in resumed.output
    assert usable(stocked.app) == saved[:3]


def test_failure_at_the_beginning_begins_again(
    stocked: Shell, saved: list[str], stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("GET /v1/customers/*", how="error_500", times=3)

    result = stocked.billing("reconcile", "stripe")

    assert result.exit_code == 1
    assert result.output == "Error: Stripe did not answer, or not in a usable way.\nBegin again.\n"


def test_place_that_is_none_is_refused(stocked: Shell) -> None:
    for words in (("reconcile", "stripe"), ("sync",)):
        result = stocked.billing(*words, "--after", "nonsense")

        assert result.exit_code == 2
        assert "'nonsense' is no place to go on at." in result.output


def test_call_that_came_too_fast_is_made_again_after_a_while(
    stocked: Shell, saved: list[str], stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("flask_billing.reconciling.pacing.sleep", waits.append)
    for path in ("/v1/customers/cus_*", "/v1/customers"):
        stripe_sandbox.fail(f"GET {path}", how="rate_limit", times=12)

    result = stocked.billing("reconcile", "stripe")

    assert result.exit_code == 0, result.output
    assert len(waits) == 6
    assert waits[0] < waits[1] < waits[2]


def test_call_that_is_too_fast_for_ever_ends_the_work(
    stocked: Shell, saved: list[str], stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flask_billing.reconciling.pacing.sleep", lambda seconds: None)
    stripe_sandbox.fail("GET /v1/customers/*", how="rate_limit", times=99)

    result = stocked.billing("sync")

    assert result.exit_code == 1
    assert "Begin again." in result.output


def test_rate_spreads_the_calls(
    stocked: Shell, saved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    monkeypatch.setattr("flask_billing.reconciling.pacing.sleep", waits.append)

    result = stocked.billing("reconcile", "stripe", "--rate", "0.01")

    assert result.exit_code == 0, result.output
    # Two calls a customer and a page of customers; the first call waits for nobody.
    assert len(waits) == 4
    assert waits == sorted(waits)
    assert 90 < waits[0] <= 100


def test_slow_gateway_is_put_back_afterwards(stocked: Shell, saved: list[str]) -> None:
    with stocked.app.app_context():
        before = current().gateway

    stocked.billing("reconcile", "stripe")

    with stocked.app.app_context():
        assert current().gateway is before


def test_sync_brings_up_one_project_only(
    stocked: Shell, saved: list[str], sdk: stripe.StripeClient
) -> None:
    for method in (saved[0], saved[3]):
        sdk.v1.payment_methods.detach(method)

    result = stocked.billing("sync", "--project", "2")

    assert result.exit_code == 0
    assert usable(stocked.app) == saved[:3]


def test_sync_brings_up_one_kind_only(
    stocked: Shell, saved: list[str], sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    sdk.v1.payment_methods.detach(saved[0])
    stripe_sandbox.requests.clear()

    customers = stocked.billing("sync", "--kind", "customers")
    calls = len(list(stripe_sandbox.requests))
    before = usable(stocked.app)
    methods = stocked.billing("sync", "--kind", "payment-methods")

    assert (customers.exit_code, methods.exit_code) == (0, 0)
    assert calls == 2
    assert before == saved
    assert usable(stocked.app) == saved[1:]


def test_sync_ends_sessions_whose_page_has_ended(
    stocked: Shell, saved: list[str], sdk: stripe.StripeClient
) -> None:
    with stocked.app.app_context():
        one, two = db.session.scalars(db.select(Project).order_by(Project.id))
        ended, stays = start(one), start(two)
    sdk.v1.checkout.sessions.expire(ended)

    result = stocked.billing("sync", "--kind", "setup-sessions")
    told = stocked.billing("reconcile", "stripe", "--after", ended)

    assert result.output == "Looked at setup sessions (2). Nothing left.\n"
    assert told.exit_code == 0
    assert stays != ended


@pytest.mark.parametrize("key", ["77", "nonsense", "9" * 30])
def test_sync_of_a_project_that_is_not_there_is_refused(stocked: Shell, key: str) -> None:
    result = stocked.billing("sync", "--project", key)

    assert (result.exit_code, result.output) == (1, f"Error: There is no project '{key}'.\n")


def test_sync_of_a_project_that_is_gone_is_refused(stocked: Shell) -> None:
    with stocked.app.app_context():
        db.session.add(BilledProjectRow(project_key="77"))
        db.session.commit()

    result = stocked.billing("sync", "--project", "77")

    assert (result.exit_code, result.output) == (1, "Error: There is no project '77'.\n")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_interruption_says_where_to_go_on(
    stocked: Shell, saved: list[str], monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    before = signal.getsignal(signal.SIGTERM)
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            os.kill(os.getpid(), number)

    monkeypatch.setattr("flask_billing.reconciling.pacing.sleep", sleep)

    result = stocked.billing("reconcile", "stripe", "--rate", "0.01")

    assert result.exit_code == 1
    [first, _] = info_ids(stocked.app)
    assert result.output.endswith(f"Interrupted.\nGo on with --after {first}\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_bar_is_shown_where_a_person_watches(run_python: Callable[[str], str]) -> None:
    primary, terminal = pty.openpty()
    script = """
        import os, sys
        from flask.cli import ScriptInfo
        from flask_billing import BillingInfo
        from flask_billing.sandbox import Sandbox
        from tests.host import create_app, db

        with Sandbox() as sandbox:
            app = create_app(
                f"sqlite:///{os.getcwd()}/bar.sqlite",
                STRIPE_SECRET_KEY=sandbox.secret_key,
                STRIPE_API_BASE=sandbox.url,
            )
            with app.app_context():
                db.create_all()
                db.session.add_all([BillingInfo(stripe_id=f"cus_{n}") for n in range(2)])
                db.session.commit()
                db.session.remove()
                db.engine.dispose()
            sys.stderr = os.fdopen(os.open(TERMINAL, os.O_WRONLY | os.O_NOCTTY), "w")
            found = ScriptInfo(create_app=lambda: app)
            app.cli.main(["billing", "reconcile", "stripe"], obj=found)
    """
    name = repr(os.ttyname(terminal))

    with pytest.raises(pytest.fail.Exception, match="ended with 1"):
        run_python(script.replace("TERMINAL", name))

    shown = os.read(primary, 10_000).decode()
    os.close(primary)
    os.close(terminal)
    assert re.search(r"billing info.*2/2", shown, re.DOTALL)
    assert "customers at Stripe" in shown


def test_no_bar_is_shown_to_a_file(stocked: Shell, saved: list[str]) -> None:
    result: Any = stocked.billing("reconcile", "stripe")

    assert result.stderr == ""
