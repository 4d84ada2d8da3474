"""`flask billing check` says what is in place and what needs a person."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
import stripe
from sqlalchemy import text

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    PaymentHold,
    PaymentMethod,
    SetupSession,
    clock,
)
from flask_billing.cli.arriving import of_endpoint
from flask_billing.cli.check import of_hooks, of_settings
from flask_billing.cli.history import own_revisions
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.models import BillingWorker, GatewayAccount
from flask_billing.notifying import LogNotifier
from flask_billing.sandbox import DEFAULT_ACCOUNT
from flask_billing.settings import Settings
from flask_billing.state import Hooks, State
from tests.cli.conftest import Shell, event
from tests.host import create_app, db

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask_billing.sandbox import Sandbox
    from tests.cli.conftest import MovedClock

NEWEST = own_revisions()[-1].revision
LONG_AGO = timedelta(hours=3)


@pytest.fixture
def well(ready: Shell, secrets: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Shell:
    """A host that lacks nothing: Stripe sends its events there, and somebody is at work."""
    secrets("whsec_1")
    hooks = ready.app.extensions["billing"].hooks
    monkeypatch.setattr(hooks, "staff_required", lambda: True)
    monkeypatch.setattr(hooks, "members_emails", lambda project_key: [])
    monkeypatch.setattr(hooks, "notifier", LogNotifier())
    assert ready.billing("webhook-endpoint", "create").exit_code == 0
    save(ready, event(1), BillingWorker(kind="run"))
    return ready


def test_all_is_well(well: Shell) -> None:
    result = well.billing("check")

    assert result.exit_code == 0, result.output
    assert marks(result.output) == {"ok"}
    assert "test mode" in result.output
    assert DEFAULT_ACCOUNT in result.output
    assert NEWEST in result.output
    assert "https://app.example.com" in result.output
    assert "guarded: Database, Machine, Seat, Server, Zone" in result.output


def test_two_calls_are_made(well: Shell, stripe_sandbox: Sandbox) -> None:
    stripe_sandbox.requests.clear()

    well.billing("check")

    assert len(list(stripe_sandbox.requests)) == 2


def test_missing_webhook_secret_is_a_hint_and_in_live_mode_a_problem(ready: Shell) -> None:
    test, live = (
        State(db, Settings.from_config({"STRIPE_SECRET_KEY": key}), Hooks(), StripeGateway)
        for key in ("sk_test_1", "sk_live_1")
    )

    result = ready.billing("check")

    assert [finding.mark for finding in of_endpoint(test)] == ["hint"]
    assert [finding.mark for finding in of_endpoint(live)] == ["problem"]
    assert "hint     STRIPE_WEBHOOK_SECRET is not set" in result.output


def test_endpoint_that_is_not_there_is_a_hint(ready: Shell, secrets: Callable[..., None]) -> None:
    secrets("whsec_1")

    result = ready.billing("check")

    assert result.exit_code == 0
    assert "hint     Stripe sends nothing to https://app.example.com/billing/w" in result.output


def test_endpoint_that_lacks_types_or_is_disabled_is_a_problem(
    well: Shell, sdk: stripe.StripeClient
) -> None:
    [endpoint] = sdk.v1.webhook_endpoints.list().data
    changes: Any = {"enabled_events": ["customer.updated"], "disabled": True}
    sdk.v1.webhook_endpoints.update(endpoint.id, changes)

    result = well.billing("check")

    assert result.exit_code == 1
    [disabled, types] = problems(result.output)
    assert disabled.startswith(f"Webhook endpoint {endpoint.id} is disabled")
    assert "is not sent: charge.dispute.closed, " in types
    assert "customer.updated" not in types


def test_endpoint_of_another_version_is_a_hint(
    ready: Shell, secrets: Callable[..., None], sdk: stripe.StripeClient
) -> None:
    secrets("whsec_1")
    address = "https://app.example.com/billing/webhooks/stripe"
    sdk.v1.webhook_endpoints.create({"url": address, "enabled_events": ["*"]})

    result = ready.billing("check")

    assert result.exit_code == 0
    assert f"this release speaks {stripe.api_version}." in result.output
    assert "is sent events that nothing here handles: all other types." in result.output


def test_key_that_may_not_list_endpoints_is_a_hint(well: Shell, stripe_sandbox: Sandbox) -> None:
    stripe_sandbox.fail("GET /v1/webhook_endpoints", how="refuse", status=403, message="No right")

    result = well.billing("check")

    assert result.exit_code == 0
    assert "hint     Stripe does not tell where it sends events to" in result.output


def test_silence_is_a_hint(
    ready: Shell, secrets: Callable[..., None], moved_clock: MovedClock
) -> None:
    secrets("whsec_1")

    never = ready.billing("check")
    save(ready, event(1), event(2, hours=300), event(3, livemode=True))
    arrived = ready.billing("check")
    moved_clock.shift(8 * 24 * 3600)
    long_ago = ready.billing("check")

    assert "hint     No event has ever arrived from Stripe." in never.output
    assert "ok       Events arrive; the last one did at 20" in arrived.output
    assert "hint     No event has arrived since 20" in long_ago.output
    assert never.exit_code == arrived.exit_code == long_ago.exit_code == 0


def test_events_that_fail_or_wait_for_long_are_problems(well: Shell) -> None:
    due = {"state": "pending", "ended_at": None, "attempts": 0}
    now = clock.now()
    save(
        well,
        *(event(number, state="failed") for number in (2, 3)),
        event(4, **due, next_try_at=now - timedelta(minutes=61)),
        event(5, **due, next_try_at=now - timedelta(minutes=59)),
        event(6, state="failed", livemode=True),
        event(7, **due, next_try_at=now - timedelta(days=1), livemode=True),
    )

    result = well.billing("check")

    assert result.exit_code == 1
    [failed, late] = problems(result.output)
    assert failed.startswith("Events that failed for good: 2. See 'flask billing events list")
    assert late.startswith("Events that have been due for over an hour: 1.")


def test_events_tried_in_vain_time_and_again_are_a_problem(well: Shell) -> None:
    later = {"state": "pending", "ended_at": None, "next_try_at": clock.now() + timedelta(hours=1)}
    save(
        well,
        *(event(number, **later, attempts=attempts) for number, attempts in ((2, 3), (3, 10))),
        event(4, **later, attempts=2),
        event(5, attempts=5),
        event(6, **later, attempts=9, livemode=True),
    )

    result = well.billing("check")

    assert result.exit_code == 1
    [in_vain] = problems(result.output)
    assert in_vain.startswith("Events tried in vain at least 3 times: 2. 'flask billing events ")
    assert "No event has failed" not in result.output


def test_connected_endpoint_does_not_stand_for_our_own(
    ready: Shell, secrets: Callable[..., None], sdk: stripe.StripeClient
) -> None:
    secrets("whsec_1")
    address = "https://app.example.com/billing/webhooks/stripe"
    for types in (["payout.paid"], ["customer.updated"]):
        wanted: Any = {"url": address, "enabled_events": types, "connect": True}
        sdk.v1.webhook_endpoints.create(wanted)
    before = ready.billing("check").output
    ready.billing("webhook-endpoint", "create")

    after = ready.billing("check").output

    assert "Stripe sends nothing to" in before
    assert "endpoint" not in "".join(problems(after))
    assert "payout.paid" not in before + after


def test_billing_that_is_off_is_no_problem(sqlite_url: str, folder: Path) -> None:
    result = Shell(create_app(sqlite_url), folder).billing("check")

    assert result.exit_code == 0
    assert result.output.startswith("Billing is off: STRIPE_SECRET_KEY is not set.")


def test_database_without_the_tables_is_a_problem(history: Shell) -> None:
    result = history.billing("check")

    assert result.exit_code == 1
    [lacks, revisions] = problems(result.output)
    assert "billing_info, payment_method, billed_project, setup_session" in lacks
    assert "flask billing install-migrations" in revisions


def test_column_that_an_older_table_lacks_is_named(ready: Shell) -> None:
    execute(ready, "ALTER TABLE payment_method DROP COLUMN stamp")

    result = ready.billing("check")

    assert result.exit_code == 1
    assert "The database lacks payment_method.stamp." in result.output


def test_database_that_was_not_upgraded_is_a_problem(ready: Shell) -> None:
    execute(ready, f"UPDATE alembic_version SET version_num = '{own_revisions()[-2].revision}'")

    result = ready.billing("check")

    assert result.exit_code == 1
    [problem] = problems(result.output)
    assert problem == f"The database is older than {NEWEST}. Run 'flask db upgrade'."


def test_newer_release_that_was_not_installed_is_a_problem(ready: Shell) -> None:
    (ready.versions / f"{NEWEST}.py").unlink()

    result = ready.billing("check")

    assert result.exit_code == 1
    assert f"yet: {NEWEST}. Run 'flask billing install-migrations'" in result.output


def test_host_without_flask_migrate_gets_a_hint(ready: Shell) -> None:
    del ready.app.extensions["migrate"]

    result = ready.billing("check")

    assert result.exit_code == 0
    assert "hint     This app has no Flask-Migrate" in result.output


def test_database_of_another_history_is_a_problem(ready: Shell) -> None:
    execute(ready, "UPDATE alembic_version SET version_num = 'c0ffee'")

    result = ready.billing("check")

    assert result.exit_code == 1
    assert "The database is at a revision that" in result.output


def test_unreachable_database_is_a_problem(folder: Path, settings: dict[str, Any]) -> None:
    app = create_app("postgresql+psycopg://ann:hunter2@127.0.0.1:1/shop", **settings)

    result = Shell(app, folder).billing("check")

    assert result.exit_code == 1
    assert "The database can't be used" in result.output
    assert "hunter2" not in result.output


def test_key_that_stripe_refuses_is_a_problem(ready: Shell, stripe_sandbox: Sandbox) -> None:
    stripe_sandbox.fail("GET /v1/account", how="refuse", status=401, message="Invalid API Key")

    result = ready.billing("check")

    assert result.exit_code == 1
    [problem] = problems(result.output)
    assert problem.startswith("The key does not work at Stripe")
    assert ready.app.config["STRIPE_SECRET_KEY"] not in result.output


def test_restricted_key_that_may_not_know_its_account_is_a_hint(
    ready: Shell, stripe_sandbox: Sandbox
) -> None:
    state = ready.app.extensions["billing"]
    state.settings = replace(state.settings, secret_key="rk_test_1")
    stripe_sandbox.fail("GET /v1/account", how="refuse", status=403, message="No right")

    result = ready.billing("check")

    assert result.exit_code == 0, result.output
    assert "hint     Stripe does not tell this restricted key its account." in result.output


def test_account_of_the_key_is_remembered(ready: Shell) -> None:
    for _ in range(2):
        ready.billing("check")

    with ready.app.app_context():
        [remembered] = db.session.scalars(db.select(GatewayAccount))
    assert remembered.account_id == DEFAULT_ACCOUNT


def test_stripe_that_does_not_answer_is_a_problem(ready: Shell, stripe_sandbox: Sandbox) -> None:
    stripe_sandbox.fail("GET /v1/account", how="error_500", times=5)

    result = ready.billing("check")

    assert result.exit_code == 1
    [problem] = problems(result.output)
    assert problem.startswith("Stripe could not be asked")


def test_billing_info_of_another_mode_or_account_is_counted(ready: Shell) -> None:
    save(
        ready,
        BillingInfo(stripe_id="cus_1", account_id=DEFAULT_ACCOUNT),
        BillingInfo(stripe_id="cus_2"),
        BillingInfo(stripe_id="cus_3", account_id="acct_other"),
        BillingInfo(stripe_id="cus_4", livemode=True),
    )

    result = ready.billing("check")

    assert result.exit_code == 0
    assert "hint     Billing info of another mode or account at Stripe: 2." in result.output


def test_missing_base_url_is_a_hint_and_in_live_mode_a_problem() -> None:
    test, live = (
        State(db, Settings.from_config({"STRIPE_SECRET_KEY": key}), Hooks(), StripeGateway)
        for key in ("sk_test_1", "sk_live_1")
    )

    assert [finding.mark for finding in of_settings(test)] == ["ok", "hint"]
    assert [finding.mark for finding in of_settings(live)] == ["ok", "problem"]


def test_hooks_that_nobody_registered_are_problems() -> None:
    loader, manage, staff = of_hooks(Hooks())

    assert (loader.mark, manage.mark, staff.mark) == ("problem", "problem", "hint")
    assert "@billing.staff_required" in staff.text
    assert "@billing.project_loader" in loader.text
    assert "@billing.can_manage" in manage.text


def test_model_with_a_project_that_is_not_marked_is_a_hint(
    run_python: Callable[[str], str],
) -> None:
    printed = run_python(
        """
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import Mapped, mapped_column

        from tests.host import Server, create_app, db

        class Volume(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            project_id: Mapped[int] = mapped_column(ForeignKey("project.id"))

        class Letter(db.Model):
            id: Mapped[int] = mapped_column(primary_key=True)
            server_id: Mapped[int] = mapped_column(ForeignKey("server.id"))

        class SmallServer(Server):
            pass

        key = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": "http://127.0.0.1:9"}
        app = create_app("sqlite://", **key)
        print(app.test_cli_runner().invoke(args=["billing", "check"]).output)
        """
    )

    hints = [line for line in printed.splitlines() if "is not guarded" in line]
    assert len(hints) == 1
    assert hints[0].startswith("hint     Volume belongs to a project")


def test_what_waits_for_the_sweeper_for_long_is_a_problem(ready: Shell) -> None:
    info = BillingInfo(stripe_id="cus_1")
    earlier = clock.now() - LONG_AGO
    leaving, held = (
        PaymentMethod(id=UUID(int=n), stripe_id=f"pm_{n}", billing_info=info) for n in (1, 2)
    )
    leaving.position, leaving.leaving_at = None, earlier
    hold = PaymentHold(payment_method=held, amount=100, currency="usd", created_at=earlier)
    save(
        ready,
        info,
        leaving,
        held,
        hold,
        BilledProjectRow(project_key="1"),
        SetupSession(project_key="1", created_at=earlier, expires_at=earlier),
    )

    result = ready.billing("check")

    assert result.exit_code == 1
    assert [problem.partition(".")[0] for problem in problems(result.output)] == [
        "Waiting for over an hour: setup sessions (1)",
        "Waiting for over an hour: removals of payment methods (1)",
        "Waiting for over an hour: holds (1)",
    ]


def test_what_is_young_or_done_does_not_wait(ready: Shell) -> None:
    info = BillingInfo(stripe_id="cus_1")
    earlier = clock.now() - LONG_AGO
    gone, leaving = (
        PaymentMethod(id=UUID(int=n), stripe_id=f"pm_{n}", billing_info=info) for n in (1, 2)
    )
    gone.position, gone.leaving_at, gone.removed_at = None, earlier, earlier
    leaving.position, leaving.leaving_at = None, clock.now()
    hold = PaymentHold(
        payment_method=gone, amount=100, currency="usd", created_at=earlier, state="released"
    )
    later = clock.now() + timedelta(hours=20)
    save(
        ready,
        info,
        gone,
        leaving,
        hold,
        BilledProjectRow(project_key="1"),
        SetupSession(project_key="1", created_at=earlier, expires_at=later),
    )

    result = ready.billing("check")

    assert result.exit_code == 0, result.output
    assert "Nothing has waited for over an hour." in result.output


def marks(output: str) -> set[str]:
    return {line.split()[0] for line in output.splitlines()}


def problems(output: str) -> list[str]:
    found = [line.partition(" ") for line in output.splitlines()]
    return [rest.strip() for mark, _, rest in found if mark == "problem"]


def save(shell: Shell, *rows: Any) -> None:
    with shell.app.app_context():
        db.session.add_all(rows)
        db.session.commit()


def execute(shell: Shell, statement: str) -> None:
    with shell.app.app_context(), db.engine.begin() as connection:
        connection.execute(text(statement))
