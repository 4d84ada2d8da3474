"""`flask billing check` names what is stuck, since when, and what to type."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, update

from flask_billing import InvoiceRefund, Notification, PaymentAttempt, clock, collecting
from flask_billing.cli.unfinished import of_workers
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.models import BillingWorker, table_of
from flask_billing.sandbox import Sandbox
from flask_billing.settings import Settings
from flask_billing.state import Hooks, State
from tests.cli.conftest import Shell, event
from tests.collecting import world
from tests.host import db

DAY = timedelta(days=1)


def problems(shell: Shell) -> list[str]:
    found = [line.partition(" ") for line in shell.billing("check").output.splitlines()]
    return [rest.strip() for mark, _, rest in found if mark == "problem"]


def save(shell: Shell, *rows: Any) -> None:
    with shell.app.app_context():
        db.session.add_all(rows)
        db.session.commit()


@pytest.fixture
def busy(ready: Shell) -> Shell:
    """A host at which somebody is at work."""
    save(ready, BillingWorker(kind="run"))
    return ready


def test_nothing_is_stuck_where_all_goes_its_way(busy: Shell, stripe_sandbox: Sandbox) -> None:
    with busy.app.app_context():
        for card in (world.VISA, world.BAD):
            world.new_invoice(world.new_owner(stripe_sandbox, card), 1000)
        collecting.collect()

    result = busy.billing("check")

    assert result.exit_code == 0, result.output
    assert "No invoice and no refund is stuck." in result.output
    assert "Processes at work: 1 (run), last heard at 20" in result.output


def test_invoices_that_are_stuck_are_named_with_what_to_type(
    busy: Shell, stripe_sandbox: Sandbox
) -> None:
    ago = clock.now() - timedelta(hours=30)
    with busy.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.BAD)
        months = (world.JULY, world.AUGUST, world.SEPTEMBER)
        parked, past_due, unknown = (world.new_invoice(owner, 1000, month=m) for m in months)
        collecting.collect()
        world.set_collection(parked, state="parked", reason="amount_differs", state_since=ago)
        world.set_collection(past_due, state="past_due", state_since=ago + timedelta(hours=1))
        attempt = table_of(PaymentAttempt)
        db.session.execute(
            update(attempt)
            .where(attempt.c.invoice_id == unknown)
            .values(state="sending", in_flight_marker=1, created_at=ago + timedelta(hours=2))
        )
        db.session.commit()
        [attempt_id] = [each.id for each in world.attempts(unknown)]

    first, second, third = problems(busy)

    assert first.startswith(f"Invoice {parked} of project {owner.key}: parked (amount_differs) sin")
    assert "flask billing unpark" in first
    assert second.startswith(f"Invoice {past_due} of project {owner.key}: past_due since 20")
    assert "'flask billing retry', 'write-off' or 'invoices void'" in second
    assert third.startswith(
        f"Attempt {attempt_id} of invoice {unknown} of project {owner.key}: attempt (sending) since"
    )
    assert "flask billing collect" in third


def test_of_very_many_that_are_stuck_some_are_named(busy: Shell, stripe_sandbox: Sandbox) -> None:
    with busy.app.app_context():
        for _ in range(12):
            invoice_id = world.new_invoice(world.new_owner(stripe_sandbox), 1000)
            collecting.mend()
            world.set_collection(invoice_id, state="parked", reason="amount_differs")

    found = problems(busy)

    assert len(found) == 11
    assert found[-1] == "Besides, as 'parked': 2."


def test_refunds_whose_end_is_long_in_coming_are_named(
    busy: Shell, stripe_sandbox: Sandbox
) -> None:
    now = clock.now()
    with busy.app.app_context():
        owner = world.new_owner(stripe_sandbox, world.VISA)
        invoice_id = world.new_invoice(owner, 1000)
        collecting.collect()
        for state, age in (
            ("sending", DAY / 12),
            ("sending", DAY / 48),
            ("pending", 15 * DAY),
            ("pending", 13 * DAY),
            ("failed", 3 * DAY),
            ("failed", 40 * DAY),
        ):
            given = {"state": state, "created_at": now - age, "in_flight_marker": None}
            given["ended_at"] = now - age if state == "failed" else None
            owed = {"invoice_id": invoice_id, "amount": 1, "currency": "usd", "reason": "goodwill"}
            db.session.execute(insert(table_of(InvoiceRefund)).values(given | owed))
        db.session.commit()

    found = problems(busy)

    words = [
        line.partition(f" of invoice {invoice_id} of project ")[2].partition(" since")[0]
        for line in found
    ]
    assert [each.partition(": ")[2] for each in words] == [
        "refund (pending)",
        "refund (failed)",
        "refund (sending)",
    ]


def test_silence_is_a_problem_when_something_waits(ready: Shell) -> None:
    long_ago = clock.now() - timedelta(minutes=20)
    never = ready.billing("check")
    save(
        ready,
        event(1, state="pending", ended_at=None, next_try_at=long_ago),
        Notification(kind="receipt", topic="one", role="members", next_try_at=long_ago),
    )
    waiting = problems(ready)
    save(ready, BillingWorker(kind="run", seen_at=clock.now() - timedelta(minutes=6)))
    silent = problems(ready)
    save(ready, BillingWorker(kind="celery", seen_at=clock.now() - timedelta(minutes=4)))
    at_work = ready.billing("check")

    assert never.exit_code == 0
    assert "hint     No process has ever been at work. Keep 'flask billing run'" in never.output
    [told] = waiting
    assert told.startswith(
        "No process has ever been at work, and there is something to do: events (1), "
    )
    assert "notifications (1). Start 'flask billing run'" in told
    assert silent[0].startswith("No process has been at work since 20")
    assert "ok       Processes at work: 1 (celery), last heard at 20" in at_work.output


def test_silence_is_a_problem_in_live_mode_though_nothing_waits(ready: Shell) -> None:
    marks = []
    with ready.app.app_context(), db.engine.connect() as connection:
        for key in ("sk_test_1", "sk_live_1"):
            settings = Settings.from_config({"STRIPE_SECRET_KEY": key})
            state = State(db, settings, Hooks(), StripeGateway)
            marks += [finding.mark for finding in of_workers(state, connection)]

    assert marks == ["hint", "problem"]


def test_run_by_a_timer_is_no_silence(ready: Shell) -> None:
    now = clock.now()
    long_ago = now - timedelta(minutes=20)
    save(
        ready,
        BillingWorker(kind="once", seen_at=now - timedelta(minutes=30), stopped_at=now),
        event(1, state="pending", ended_at=None, next_try_at=long_ago),
    )

    result = ready.billing("check")

    assert result.exit_code == 0, result.output
    assert "ok       Processes at work: 1 (once), last heard at 20" in result.output


def test_notifications_that_nobody_got_are_named(busy: Shell) -> None:
    save(
        busy,
        *(
            Notification(
                kind="receipt",
                topic=state,
                role="members",
                state=state,
                ended_at=clock.now(),
                next_try_at=None,
            )
            for state in ("failed", "unknown")
        ),
    )

    result = busy.billing("check")

    assert result.exit_code == 1
    assert "problem  Notifications of the last seven days that could not be del" in result.output
    assert "hint     Notifications of the last seven days of which nobody knows" in result.output
