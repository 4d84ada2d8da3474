"""One worker at a time is at work on an event; none is lost, none blocks the others."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from flask_billing import clock, events, payment_methods, signals
from flask_billing.events import Notice, ProcessReport, claiming
from flask_billing.events.claiming import claim
from tests.at_once import at_once
from tests.events.world import MovedClock, World, by_id, event_rows, made_up, store
from tests.host import Project, billing, db
from tests.payment_methods.journey import order, start

CANARY = "kanary"


def fail(notice: Notice) -> None:
    raise LookupError(CANARY)


def failing_events(*numbers: int) -> None:
    """Store events whose handler fails."""
    billing.on("product.updated")(fail)
    store([made_up(number) for number in numbers])


# Back-off


def test_tries_are_ever_further_apart_and_end(each_world: World, moved_clock: MovedClock) -> None:
    failing_events(1)
    delays, states = [], []

    for _ in range(12):
        now = clock.now()
        events.process()
        row = by_id("evt_1")
        states.append(row.state)
        if row.next_try_at is not None:
            delays.append((row.next_try_at - now).total_seconds())
            moved_clock.ahead += row.next_try_at - clock.now()

    assert states == ["pending"] * 11 + ["failed"]
    full = [min(5 * 4**number, 6 * 3600) for number in range(11)]
    assert all(most / 2 - 1 <= delay <= most + 1 for delay, most in zip(delays, full, strict=True))
    assert (row.attempts, row.next_try_at, row.claimed_by) == (12, None, None)
    assert row.ended_at is not None
    assert row.error_class == "LookupError"


def test_tries_of_many_events_are_spread(world: World) -> None:
    failing_events(*range(20))

    events.process()

    moments = [row.next_try_at for row in event_rows() if row.next_try_at is not None]
    assert len(moments) == 20
    assert max(moments) - min(moments) > timedelta(seconds=1)


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_TRIES": 2}], ids=["two"])
def test_event_that_is_given_up_is_told_once(
    world: World, moved_clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    told: list[tuple[str, str]] = []
    failing_events(1, 2)

    with signals.event_failed.connected_to(
        lambda app, event: told.append((event.stripe_id, event.state))
    ):
        reports = []
        for _ in range(3):
            reports.append(events.process())
            moved_clock.advance(hours=1)

    assert reports == [ProcessReport(retried=2), ProcessReport(failed=2), ProcessReport()]
    assert sorted(told) == [("evt_1", "failed"), ("evt_2", "failed")]
    assert "See 'flask billing events show evt_1'" in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_TRIES": 1}], ids=["one"])
def test_receiver_that_fails_does_not_keep_other_events_waiting(
    each_world: World, caplog: pytest.LogCaptureFixture
) -> None:
    failing_events(1, 2)

    def broken(app: Any, event: Any) -> None:
        raise OSError(CANARY)

    with signals.event_failed.connected_to(broken):
        report = events.process()

    assert report == ProcessReport(failed=2)
    assert {row.state for row in event_rows()} == {"failed"}
    assert "A receiver of event_failed failed: OSError." in caplog.text
    assert CANARY not in caplog.text


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_TRIES": 1}], ids=["one"])
def test_event_that_was_given_up_can_be_repeated(each_world: World) -> None:
    failing_events(1)
    events.process()
    billing._hooks.event_handlers.clear()
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))
    row = by_id("evt_1")

    count = events.replay([row.id])
    waiting = by_id("evt_1")
    kept = (waiting.state, waiting.attempts, waiting.ended_at, waiting.error_class)
    report = events.process()

    assert count == 1
    assert seen == ["evt_1"]
    assert kept == ("pending", 0, None, None)
    assert report == ProcessReport(processed=1)
    assert by_id("evt_1").error_class is None


def test_poisoned_event_does_not_block_others(each_world: World) -> None:
    billing.on("product.updated")(fail)
    store([made_up(1)])
    store(
        [made_up(number, type="payment_method.updated", object_id="pm_x") for number in range(2, 6)]
    )

    reports = [events.process(limit=1), events.process()]

    assert reports == [ProcessReport(retried=1), ProcessReport(ignored=4)]


@pytest.mark.parametrize(
    ("how", "error", "code"),
    [
        ({"how": "error_500"}, "GatewayUnavailable", "server_error"),
        ({"how": "rate_limit"}, "GatewayUnavailable", "rate_limited"),
        ({"how": "refuse", "status": 401, "code": "x"}, "GatewayError", "x"),
        ({"how": "refuse", "status": 400, "code": "a b"}, "GatewayRefusal", None),
    ],
    ids=["server error", "rate limit", "key", "odd code"],
)
def test_trouble_at_the_processor_is_kept_as_kind_and_code(
    world: World, moved_clock: MovedClock, how: dict[str, Any], error: str, code: str | None
) -> None:
    card = world.card()
    world.stripe.v1.payment_methods.detach(card.stripe_id)
    (row,) = world.arrive()
    world.sandbox.fail("GET /v1/payment_methods/*", times=9, message=CANARY, **how)

    first = events.process()
    row = by_id(row.stripe_id)
    kept = (row.state, row.error_class, row.error_code)
    world.sandbox.engine.faults.clear()
    moved_clock.advance(minutes=1)
    second = events.process()

    assert (first, second) == (ProcessReport(retried=1), ProcessReport(processed=1))
    assert kept == ("pending", error, code)
    assert world.differences() == []


# Claims


def test_claimed_event_is_nobody_elses(each_world: World) -> None:
    billing.on("product.updated")(fail)
    store([made_up(1), made_up(2)])

    claimed = [claim(), claim(), claim()]

    first, second, third = claimed
    assert first is not None
    assert second is not None
    assert third is None
    assert {first.stripe_id, second.stripe_id} == {"evt_1", "evt_2"}
    assert first.claimed_by != second.claimed_by
    assert (first.attempts, second.attempts) == (1, 1)
    assert events.process() == ProcessReport()


def test_event_that_waits_longest_is_first(each_world: World, moved_clock: MovedClock) -> None:
    billing.on("product.updated")(fail)
    for number in (3, 1, 2):
        events.store(made_up(number))
        moved_clock.advance(minutes=1)

    claimed = [claim(), claim(), claim()]

    assert [each.stripe_id for each in claimed if each] == ["evt_3", "evt_1", "evt_2"]


def test_event_of_a_killed_worker_is_picked_up(each_world: World, moved_clock: MovedClock) -> None:
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))
    store([made_up(1)])
    assert claim() is not None

    moved_clock.advance(minutes=9)
    early = events.process()
    moved_clock.advance(minutes=2)
    late = events.process()

    assert (early, late) == (ProcessReport(), ProcessReport(processed=1))
    assert seen == ["evt_1"]
    assert by_id("evt_1").attempts == 2


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_TRIES": 2}], ids=["two"])
def test_event_that_kills_its_workers_is_given_up(
    each_world: World, moved_clock: MovedClock
) -> None:
    billing.on("product.updated")(fail)
    store([made_up(1)])
    for _ in range(2):
        assert claim() is not None
        moved_clock.advance(minutes=11)

    report = events.process()

    row = by_id("evt_1")
    assert report == ProcessReport(failed=1)
    assert (row.state, row.error_class) == ("failed", "Abandoned")


class Killed(BaseException):
    """What nothing catches, as where the process ends."""


def test_worker_that_is_killed_in_a_handler_leaves_nothing_half_done(
    each_world: World, moved_clock: MovedClock
) -> None:
    project = each_world.project()
    card, other = each_world.card(project), each_world.card(project, card="5555555555554444")
    kill = [True]

    @billing.on("payment_method.detached")
    def handler(notice: Notice) -> None:
        project.name = f"told of {notice.object_id}"
        db.session.flush()
        if kill and kill.pop():
            raise Killed

    each_world.stripe.v1.payment_methods.detach(card.stripe_id)
    with pytest.raises(Killed):
        each_world.handle()
    db.session.rollback()
    unchanged = project.name
    moved_clock.advance(minutes=11)

    report = events.process()

    assert unchanged == "one"
    assert report == ProcessReport(processed=1)
    assert project.name == f"told of {card.stripe_id}"
    assert order(project) == [other.stripe_id]


@pytest.mark.parametrize("ending", ["well", "badly"])
def test_slow_worker_does_not_overwrite_the_result_of_who_took_over(
    each_world: World, moved_clock: MovedClock, ending: str
) -> None:
    customer = each_world.card().billing_info.stripe_id
    events.store(made_up(1, type="customer.updated", object_id=customer, object_type="customer"))
    slow = claim()
    moved_clock.advance(minutes=11)
    taken_over = claim()
    assert slow is not None
    assert taken_over is not None

    if ending == "well":
        each_world.sandbox.fail("GET /v1/customers/*", how="error_500", times=3)
        events.processing._process(taken_over)
        events.processing._process(slow)
    else:
        events.processing._process(taken_over)
        each_world.sandbox.fail("GET /v1/customers/*", how="error_500", times=3)
        events.processing._process(slow)

    row = by_id("evt_1")
    assert row.state == ("pending" if ending == "well" else "processed")
    assert (row.error_class is None) == (ending == "badly")


@pytest.mark.parametrize("settings", [{"BILLING_EVENT_TRIES": 1}], ids=["one"])
def test_slow_worker_does_not_give_up_what_another_has_processed(
    each_world: World, moved_clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    customer = each_world.card().billing_info.stripe_id
    events.store(made_up(1, type="customer.updated", object_id=customer, object_type="customer"))
    slow = claim()
    assert slow is not None
    moved_clock.advance(minutes=11)
    events.replay([by_id("evt_1").id])
    report = events.process()
    each_world.sandbox.fail("GET /v1/customers/*", how="error_500", times=3)
    told: list[str] = []

    with signals.event_failed.connected_to(lambda app, event: told.append(event.state)):
        end = events.processing._process(slow)

    assert (report, end) == (ProcessReport(processed=1), None)
    assert by_id("evt_1").state == "processed"
    assert told == []
    assert "has failed" not in caplog.text


def test_repeating_leaves_an_event_to_the_worker_that_is_at_it(
    each_world: World, moved_clock: MovedClock
) -> None:
    billing.on("product.updated")(fail)
    store([made_up(1), made_up(2)])
    claimed = claim()
    assert claimed is not None
    ids = [row.id for row in event_rows()]

    while_claimed = events.replay(ids)
    moved_clock.advance(minutes=11)
    afterwards = events.replay(ids)

    assert (while_claimed, afterwards) == (1, 2)
    assert by_id(claimed.stripe_id).attempts == 0


def test_processing_stops_where_it_is_told(world: World) -> None:
    asked: list[int] = []
    store([made_up(n, type="payment_method.updated", object_id="pm_x") for n in range(5)])

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 2

    assert events.process(stop=stop) == ProcessReport(ignored=2)
    assert events.process(limit=0) == ProcessReport()
    assert events.process(limit=2) == ProcessReport(ignored=2)
    assert events.process() == ProcessReport(ignored=1)


# Several workers


@pytest.mark.concurrency
def test_no_two_workers_are_at_one_event(crowded: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    seen: list[str] = []
    billing.on("product.updated", name="see")(lambda notice: seen.append(notice.stripe_id))
    store([made_up(number) for number in range(40)])

    reports = at_once(crowded.app, *[events.process] * 4)

    assert sum(report.processed for report in reports) == 40
    assert sorted(seen) == sorted(f"evt_{number}" for number in range(40))
    assert {row.attempts for row in event_rows()} == {1}
    assert {row.state for row in event_rows()} == {"processed"}
    assert caplog.text == ""


@pytest.mark.concurrency
def test_workers_at_one_customer_end_without_a_deadlock(
    crowded: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    project = crowded.project()
    first = crowded.card(project)
    info = first.billing_info
    customer: Any = {"customer": info.stripe_id}
    added = [
        crowded.stripe.v1.payment_methods.attach(f"pm_card_{brand}", customer).id
        for brand in ("mastercard", "amex", "jcb", "discover")
    ]
    for gone in [first.stripe_id, *added[:2]]:
        crowded.stripe.v1.payment_methods.detach(gone)
    crowded.sandbox.update_card_automatically(added[2], exp_month=1, exp_year=2020)
    crowded.arrive()

    outcomes = at_once(crowded.app, *[events.process] * 4)

    assert all(isinstance(outcome, ProcessReport) for outcome in outcomes), outcomes
    assert sum(outcome.retried for outcome in outcomes) == 0
    assert crowded.differences() == []
    assert caplog.text == ""


@pytest.mark.concurrency
def test_completion_and_events_of_one_card_at_once_make_one_row(
    crowded: World, moved_clock: MovedClock
) -> None:
    for _ in range(3):
        key = crowded.project().id
        session_id = start(db.session.get_one(Project, key))
        crowded.sandbox.complete_checkout(session_id)
        crowded.arrive()

        outcomes = at_once(
            crowded.app,
            lambda: payment_methods.complete(db.session.get_one(Project, key), session_id),  # noqa: B023
            events.process,
            events.process,
        )

        assert [o for o in outcomes if isinstance(o, Exception)] == []
        assert len(order(db.session.get_one(Project, key))) == 1
    # What came too early is tried again.
    moved_clock.advance(minutes=1)
    events.process()
    assert crowded.differences() == []
    assert {row.state for row in event_rows()} <= {"processed", "ignored"}


def test_due_events_are_found_by_their_index(world: World) -> None:
    query = str(claiming._due(clock.now()).compile(db.engine))

    plan = db.session.connection().exec_driver_sql(
        f"EXPLAIN QUERY PLAN {query}", ("",) * query.count("?")
    )

    (step,) = [row[-1] for row in plan]
    assert "billing_event_due_idx (livemode=? AND state=? AND next_try_at<?)" in step
