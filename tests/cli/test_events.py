"""`flask billing events` shows what Stripe told, and repeats it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest

from flask_billing import auditing, clock
from flask_billing.models import BillingEvent, BillingEventHandling
from flask_billing.state import EventHandler
from tests.cli.conftest import Shell, event
from tests.host import create_app, db

if TYPE_CHECKING:
    from pathlib import Path

    import stripe

    from flask_billing.sandbox import Sandbox


def keep(shell: Shell, *rows: Any) -> None:
    with shell.app.app_context():
        db.session.add_all(rows)
        db.session.commit()


@pytest.fixture
def kept(stocked: Shell) -> Shell:
    """A host with events of several kinds, ages and states, the newest first."""
    pending = {"state": "pending", "ended_at": None, "attempts": 0, "next_try_at": clock.now()}
    failed = {"state": "failed", "error_class": "GatewayUnavailable", "error_code": "rate_limit"}
    method = {"type": "payment_method.detached", "object_type": "payment_method"}
    keep(
        stocked,
        event(1, hours=1, **pending),
        event(2, hours=5, **method, object_id="pm_2", customer_id="cus_1"),
        event(3, hours=30, **failed, attempts=12),
        event(4, hours=80, state="ignored", reason="not_ours", type="customer.deleted"),
        event(5, hours=90, type="paymentXmethod.detached"),
        event(6, livemode=True),
    )
    return stocked


def ids(output: str) -> list[str]:
    """The ids of the events that a table shows."""
    return [word for word in output.split() if word.startswith("evt_")]


def states(shell: Shell) -> dict[str, str]:
    with shell.app.app_context():
        rows = db.session.scalars(db.select(BillingEvent).order_by(BillingEvent.stripe_id))
        return {row.stripe_id: row.state for row in rows}


def test_list_shows_the_newest_first_of_this_mode(kept: Shell) -> None:
    result = kept.billing("events", "list")

    assert result.exit_code == 0
    assert ids(result.output) == ["evt_1", "evt_2", "evt_3", "evt_4", "evt_5"]


def test_list_says_what_became_of_each(kept: Shell) -> None:
    lines = kept.billing("events", "list").output.splitlines()

    words = [line.split("  ", 2)[2].split("  ") for line in lines]
    told = [[word.strip() for word in line if word] for line in words]
    assert told[1] == ["processed", "payment_method.detached", "pm_2"]
    assert told[2][0] == "failed (GatewayUnavailable, rate_limit, 12 tries)"
    assert told[3][0] == "ignored (not_ours)"


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["evt_2", "evt_3"], [2, 3]),
        (["cus_1"], [1, 2]),
        (["pm_2"], [2]),
        (["evt_6"], []),
        (["--state", "failed"], [3]),
        (["--state", "failed", "--state", "pending"], [1, 3]),
        (["--type", "payment_method.*"], [2]),
        (["--type", "customer.*"], [1, 3, 4]),
        (["--type", "customer.deleted"], [4]),
        (["--since", "6h"], [1, 2]),
        (["--older-than", "3d"], [4, 5]),
        (["--since", "2d", "--older-than", "90m"], [2, 3]),
        (["--state", "processed", "--type", "customer.*"], []),
    ],
)
def test_filters_choose(kept: Shell, words: list[str], found: list[int]) -> None:
    listed = kept.billing("events", "list", *words)
    meant = kept.billing("events", "replay", *words, "--dry-run")

    assert ids(listed.output) == [f"evt_{number}" for number in found]
    assert ids(meant.output) == [f"evt_{number}" for number in reversed(found)]


def test_moment_may_be_a_date(kept: Shell) -> None:
    before, after = (clock.now() - timedelta(hours=hours) for hours in (6, 4))

    listed = kept.billing(
        "events",
        "list",
        f"--since={before.isoformat()}",
        f"--older-than={after.replace(tzinfo=None).isoformat()}",
    )

    assert ids(listed.output) == ["evt_2"]


@pytest.mark.parametrize("moment", ["yesterday", "3", "99999999w", "999999w", "2026-13-01"])
def test_moment_that_is_none_is_refused(kept: Shell, moment: str) -> None:
    result = kept.billing("events", "list", "--since", moment)

    assert result.exit_code == 2
    assert "is no moment. Write 30m, 2h, 3d, 1w" in result.output


def test_limit_says_that_there_are_more(kept: Shell) -> None:
    result = kept.billing("events", "list", "--limit", "2")

    assert ids(result.output) == ["evt_1", "evt_2"]
    assert result.output.endswith("2 of 5. --limit shows more.\n")


def test_empty_table_is_told_from_a_filter_that_finds_nothing(stocked: Shell) -> None:
    none = stocked.billing("events", "list")
    nothing = stocked.billing("events", "list", "--state", "failed")

    assert (none.exit_code, none.output) == (0, "No event has arrived yet.\n")
    assert (nothing.exit_code, nothing.output) == (0, "There is no such event.\n")


def test_id_that_no_event_is_about_is_an_error(kept: Shell) -> None:
    result = kept.billing("events", "list", "evt_77")

    assert (result.exit_code, result.output) == (1, "Error: There is no such event.\n")


def test_show_tells_an_event_from_beginning_to_end(
    kept: Shell, handlers: list[EventHandler]
) -> None:
    with kept.app.app_context():
        row = db.session.scalars(db.select(BillingEvent).filter_by(stripe_id="evt_2")).one()
        db.session.add(BillingEventHandling(event_id=row.id, handler="host.tell"))
        db.session.commit()
        own_id = str(row.id)

    by_stripe, by_own = (kept.billing("events", "show", found) for found in ("evt_2", own_id))

    assert by_stripe.exit_code == 0
    assert by_stripe.output == by_own.output
    facts, _, timeline = by_stripe.output.partition("\n\n")
    assert facts.startswith("evt_2  payment_method.detached\n")
    assert "object       payment_method pm_2\n" in facts
    assert "customer     cus_1\n" in facts
    told = [line[24:] for line in timeline.splitlines()]
    assert told == [
        "happened at Stripe",
        "arrived here",
        "handler host.tell done",
        "processed at try 1",
    ]


def test_show_tells_which_handlers_are_still_to_come(
    kept: Shell, handlers: list[EventHandler]
) -> None:
    handlers.append(EventHandler("customer.*", "host.tell", print))
    handlers.append(EventHandler("payment_method.*", "host.other", print))

    pending = kept.billing("events", "show", "evt_1").output
    failed = kept.billing("events", "show", "evt_3").output
    processed = kept.billing("events", "show", "evt_2").output

    assert "due: pending\n" in pending
    assert "failed (GatewayUnavailable, rate_limit, 12 tries) at try 12\n" in failed
    assert ["handler host.tell not done yet" in text for text in (pending, failed, processed)] == [
        True,
        True,
        False,
    ]
    assert "host.other" not in pending + failed + processed


def test_show_tells_that_a_worker_is_at_work_or_was_lost(stocked: Shell) -> None:
    claimed = {"state": "pending", "ended_at": None, "claimed_by": UUID(int=1), "attempts": 2}
    now = clock.now()
    keep(
        stocked,
        event(1, **claimed, next_try_at=now + timedelta(minutes=5)),
        event(2, **claimed, next_try_at=now - timedelta(minutes=5)),
        event(3, state="pending", ended_at=None, next_try_at=now + timedelta(hours=1)),
    )

    at_work, lost, later = (
        stocked.billing("events", "show", f"evt_{number}").output for number in (1, 2, 3)
    )

    assert "a worker has until then, for try 2" in at_work
    assert "the worker at try 2 never came back; due again" in lost
    assert "next try: pending" in later


def test_show_of_an_event_that_never_arrived_fails(stocked: Shell) -> None:
    result = stocked.billing("events", "show", "evt_nobody")

    assert result.exit_code == 1
    assert result.output == "Error: No event evt_nobody has arrived.\n"


def test_replay_has_what_is_chosen_processed_again(kept: Shell) -> None:
    result = kept.billing("events", "replay", "--state", "failed", "evt_3")

    assert result.exit_code == 0
    assert result.output == (
        "Waiting to be processed once more: 1.\n'flask billing run' processes what waits.\n"
    )
    assert states(kept)["evt_3"] == "pending"
    assert states(kept)["evt_2"] == "processed"


def test_replay_of_everything_has_to_be_asked_for(kept: Shell) -> None:
    refused = kept.billing("events", "replay")
    before = states(kept)
    done = kept.billing("events", "replay", "--all")

    assert refused.exit_code == 2
    assert "Say which events" in refused.output
    assert before["evt_2"] == "processed"
    assert done.exit_code == 0
    waiting = {name for name, state in states(kept).items() if state == "pending"}
    assert waiting == {"evt_1", "evt_2", "evt_3", "evt_4", "evt_5"}


def test_replay_begins_with_the_oldest(kept: Shell) -> None:
    kept.billing("events", "replay", "--all", "--limit", "2")

    waiting = {name for name, state in states(kept).items() if state == "pending"}
    assert waiting == {"evt_1", "evt_4", "evt_5"}


def test_dry_run_changes_nothing(kept: Shell) -> None:
    before = states(kept)

    result = kept.billing("events", "replay", "--all", "--now", "--dry-run")

    assert result.output.endswith("Would be repeated: 5.\n")
    assert states(kept) == before


def test_replay_of_nothing_fails(kept: Shell) -> None:
    result = kept.billing("events", "replay", "evt_nobody")

    assert result.exit_code == 1
    assert result.output == "Error: There is no such event.\n"


def test_replay_leaves_alone_what_a_worker_is_at_work_on(stocked: Shell) -> None:
    later = clock.now() + timedelta(minutes=5)
    keep(stocked, event(1, state="pending", claimed_by=UUID(int=1), next_try_at=later), event(2))

    result = stocked.billing("events", "replay", "--all")

    assert "Waiting to be processed once more: 1.\n" in result.output
    assert "Left to the workers that are at work on them: 1.\n" in result.output


def test_handlers_that_were_done_run_again_only_when_it_is_asked_for(
    stocked: Shell, handlers: list[EventHandler]
) -> None:
    told: list[str] = []
    handlers.append(
        EventHandler("customer.created", "host.tell", lambda notice: told.append(notice.stripe_id))
    )
    new = {"type": "customer.created", "state": "pending", "customer_id": None}
    keep(stocked, *(event(n, **new, next_try_at=clock.now()) for n in (1, 2)))

    counts = []
    for words in (["--all"], ["--all"], ["evt_1", "--again"]):
        result = stocked.billing("events", "replay", *words, "--now")
        assert result.exit_code == 0, result.output
        counts.append(sorted(told))

    assert counts == [["evt_1", "evt_2"], ["evt_1", "evt_2"], ["evt_1", "evt_1", "evt_2"]]


def test_replay_now_fails_when_an_event_does(stocked: Shell, handlers: list[EventHandler]) -> None:
    def stumble(notice: Any) -> None:
        raise RuntimeError("ann@example.com")

    handlers.append(EventHandler("customer.created", "host.stumble", stumble))
    keep(stocked, event(1, type="customer.created", customer_id=None))

    result = stocked.billing("events", "replay", "evt_1", "--now")

    assert result.exit_code == 1
    assert "1 retried" in result.output
    assert "ann@example.com" not in result.output


def test_events_that_never_arrived_are_fetched_from_stripe(
    stocked: Shell, sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    customers = [sdk.v1.customers.create({"metadata": {}}).id for _ in range(2)]
    for customer in customers:
        sdk.v1.customers.update(customer, {"metadata": {"a": "b"}})

    first = stocked.billing("events", "replay", "--from-stripe", "--since", "2h")
    second = stocked.billing("events", "replay", "--from-stripe", "--since", "2h", "--now")

    assert first.exit_code == second.exit_code == 0
    assert first.output == (
        "Stripe keeps 2 such events. New here, and waiting: 2.\n"
        "'flask billing run' processes what waits.\n"
    )
    assert second.output.startswith("Stripe keeps 2 such events. New here, and waiting: 0.")
    assert second.output.endswith("0 processed, 2 ignored, 0 retried, 0 failed.\n")


def test_events_of_the_hosts_handlers_are_fetched_too(
    stocked: Shell, sdk: stripe.StripeClient, handlers: list[EventHandler]
) -> None:
    handlers.append(EventHandler("customer.*", "host.tell", lambda notice: None))
    customer = sdk.v1.customers.create({"metadata": {}}).id
    sdk.v1.customers.update(customer, {"metadata": {"a": "b"}})

    chosen = stocked.billing("events", "replay", "--from-stripe", "--type", "customer.created")
    rest = stocked.billing("events", "replay", "--from-stripe")

    assert chosen.output.startswith("Stripe keeps 1 such events. New here, and waiting: 1.")
    assert rest.output.startswith("Stripe keeps 2 such events. New here, and waiting: 1.")


@pytest.mark.parametrize("words", [["--all"], ["evt_1"], ["--state", "failed"], ["--dry-run"]])
def test_what_does_not_go_with_fetching_is_refused(kept: Shell, words: list[str]) -> None:
    result = kept.billing("events", "replay", "--from-stripe", *words)

    assert result.exit_code == 2
    assert "With --from-stripe go --since, --type and --now only." in result.output


def test_type_that_stripe_does_not_have_is_refused(stocked: Shell) -> None:
    result = stocked.billing("events", "replay", "--from-stripe", "--type", "customer.eaten")

    assert result.exit_code == 2
    assert "There is no event type customer.eaten." in result.output


def test_fetching_that_breaks_off_ends_without_a_traceback(
    stocked: Shell, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("GET /v1/events", how="error_500", times=9)

    result = stocked.billing("events", "replay", "--from-stripe")

    assert result.exit_code == 1
    assert result.output == "Error: Stripe did not answer, or not in a usable way.\n"


def test_events_are_chosen_alike_on_every_database(
    database_url: str, folder: Path, settings: dict[str, Any]
) -> None:
    shell = Shell(create_app(database_url, **settings), folder)
    with shell.app.app_context():
        db.create_all()
    keep(
        shell,
        event(1, hours=1),
        event(2, hours=5, state="failed", type="payment_method.detached"),
        event(3, hours=30, type="paymentXmethod.detached"),
    )
    words = ["--type", "payment_method.*", "--state", "failed", "--since", "6h", "cus_2"]

    listed = shell.billing("events", "list", *words)
    shown = shell.billing("events", "show", "evt_2")
    replayed = shell.billing("events", "replay", *words)

    assert ids(listed.output) == ["evt_2"]
    assert shown.exit_code == 0, shown.output
    assert "Waiting to be processed once more: 1." in replayed.output
    assert states(shell) == {"evt_1": "processed", "evt_2": "pending", "evt_3": "processed"}


def test_event_of_two_handlers_with_one_name_can_be_looked_at(
    kept: Shell, handlers: list[EventHandler]
) -> None:
    handlers[:] = [
        EventHandler("customer.*", "host.tell", lambda notice: None),
        EventHandler("customer.updated", "host.tell", lambda notice: None),
    ]

    results = [kept.billing("events", "show", stripe_id) for stripe_id in ("evt_3", "evt_2")]

    assert [result.exit_code for result in results] == [0, 0]
    assert "GatewayUnavailable" in results[0].output


def test_state_of_a_newer_release_is_shown_as_it_is_called(kept: Shell) -> None:
    keep(kept, event(7, state="parked", hours=2), event(8))

    listed = kept.billing("events", "list")
    shown = kept.billing("events", "show", "evt_7")

    assert "parked" in listed.output
    assert "parked" in shown.output
    assert ids(listed.output)[:2] == ["evt_8", "evt_1"]


def test_repetition_is_in_the_audit_log(stocked: Shell) -> None:
    keep(stocked, *(event(number) for number in (1, 2, 3)))

    stocked.billing("events", "replay", "evt_1", "--by", "7")
    stocked.billing("events", "replay", "--all", "--dry-run")
    stocked.billing("events", "replay", "--all")

    with stocked.app.app_context():
        noted = [(each.action, each.object_id, each.made_by) for each in auditing.entries()]
    assert noted == [("repeat_event", "3 of them", None), ("repeat_event", "evt_1", "7")]
