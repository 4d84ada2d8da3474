"""Old events are forgotten, and those that never arrived are fetched."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from pytest_httpserver import HTTPServer
from sqlalchemy import event as listening
from sqlalchemy import func, select, update

from flask_billing import clock, events
from flask_billing.errors import GatewayError, GatewayUnavailable
from flask_billing.events import Notice
from flask_billing.models import BillingEvent, BillingEventHandling
from flask_billing.state import current
from tests.events.world import MovedClock, World, event_rows, made_up, store
from tests.gateways.notices import event
from tests.host import Project, billing, create_app, db


def ids() -> list[str]:
    return [row.stripe_id for row in event_rows()]


@pytest.mark.parametrize(
    ("settings", "days"),
    [({}, 90), ({"BILLING_EVENT_RETENTION_DAYS": 31}, 31)],
    ids=["usual", "least"],
)
def test_events_are_kept_for_as_long_as_the_setting_says(
    world: World, moved_clock: MovedClock, days: int
) -> None:
    store([made_up(1), made_up(2)])
    moved_clock.advance(days=days, minutes=-1)
    events.store(made_up(3))
    early = events.prune()
    moved_clock.advance(minutes=2)

    late = events.prune()

    assert (early, late) == (0, 2)
    assert ids() == ["evt_3"]


def test_what_failed_or_waits_is_not_forgotten(each_world: World, moved_clock: MovedClock) -> None:
    @billing.on("product.deleted")
    def fail(notice: Notice) -> None:
        raise LookupError

    @billing.on("product.created")
    def work(notice: Notice) -> None:
        db.session.add(Project(name=notice.stripe_id))

    store([made_up(1, type="product.deleted"), made_up(2), made_up(3, type="product.created")])
    for _ in range(12):
        events.process()
        moved_clock.advance(hours=7)
    moved_clock.advance(days=100)
    store([made_up(4, type="product.created")])

    gone = events.prune()

    states = {row.stripe_id: row.state for row in event_rows()}
    assert gone == 2
    assert states == {"evt_1": "failed", "evt_4": "pending"}
    assert db.session.scalar(select(func.count()).select_from(BillingEventHandling)) == 0
    assert db.session.scalars(select(Project.name)).all() == ["evt_3"]


def test_many_events_are_forgotten_in_batches(
    each_world: World, moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events.repeating, "_BATCH", 3)
    store([made_up(number) for number in range(8)])
    moved_clock.advance(days=91)

    assert events.prune() == 8
    assert ids() == []


def test_old_events_of_the_other_mode_are_forgotten_whatever_their_state(
    each_world: World, moved_clock: MovedClock
) -> None:
    kinds = {"type": "customer.updated", "object_type": "customer"}
    store([made_up(number, **kinds, livemode=number < 3) for number in range(1, 5)])
    db.session.execute(
        update(BillingEvent)
        .where(BillingEvent.stripe_id.in_(["evt_2", "evt_4"]))
        .values(state="failed", next_try_at=None)
    )
    db.session.commit()
    early = events.prune()
    db.session.commit()
    moved_clock.advance(days=91)
    store([made_up(5, **kinds, livemode=True)])

    late = events.prune()

    assert (early, late) == (0, 2)
    assert sorted(ids()) == ["evt_3", "evt_4", "evt_5"]


def test_forgetting_ends_its_transaction(each_world: World, moved_clock: MovedClock) -> None:
    store([made_up(1), made_up(2)])
    moved_clock.advance(days=91)

    counts = [events.prune(), events.prune()]

    assert counts == [2, 0]
    assert not db.session().in_transaction()


@pytest.mark.concurrency
def test_event_that_somebody_repeats_while_old_ones_are_forgotten_is_kept(
    each_world: World, moved_clock: MovedClock
) -> None:
    store([made_up(1), made_up(2)])
    moved_clock.advance(days=91)
    with db.engine.connect() as other:
        repeating = update(BillingEvent).where(BillingEvent.stripe_id == "evt_1")
        other.execute(repeating.values(state="pending", next_try_at=clock.now()))
        pruning = in_thread(each_world, events.prune)
        # Long before that, unless it waits for the other and then takes what it saw before.
        pruning.join(timeout=2)
        other.commit()
    pruning.join(timeout=30)

    assert {row.stripe_id: row.state for row in event_rows()} == {"evt_1": "pending"}


@pytest.mark.concurrency
def test_event_is_either_repeated_or_forgotten(each_world: World, moved_clock: MovedClock) -> None:
    store([made_up(1), made_up(2)])
    event_id = event_rows()[0].id
    moved_clock.advance(days=91)
    counts: list[int] = []
    threads: list[threading.Thread] = []

    def repeat_in_between(*args: Any) -> None:
        if args[2].startswith("DELETE FROM billing_event_handling") and not threads:
            threads.append(in_thread(each_world, lambda: counts.append(events.replay([event_id]))))
            # It has to wait until the other has ended; without a lock it is done at once.
            threads[0].join(timeout=1)

    listening.listen(db.engine, "before_cursor_execute", repeat_in_between)
    gone = events.prune()
    threads[0].join(timeout=30)

    assert counts == [len(ids())]
    assert gone + len(ids()) == 2


def in_thread(world: World, act: Callable[[], Any]) -> threading.Thread:
    """Let somebody else do something at the same time."""

    def run() -> None:
        with world.app.app_context():
            act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_event_that_never_arrived_is_fetched(each_world: World) -> None:
    first, second = each_world.card(), each_world.card(each_world.project("two"))
    known = {row.stripe_id for row in event_rows()}
    each_world.stripe.v1.payment_methods.detach(first.stripe_id)
    each_world.stripe.v1.payment_methods.detach(second.stripe_id)
    told = each_world.told("payment_method.detached")
    store(told[:1])

    seen, _ = events.feed_in(types=["payment_method.detached"])
    events.process()

    assert known == set()
    assert seen == 2
    assert sorted(ids()) == sorted(each.stripe_id for each in told)
    assert each_world.differences() == []


def test_everything_that_we_deal_with_is_fetched_once(world: World) -> None:
    world.card()
    told = current().gateway.events()
    expected = {each.stripe_id for each in told if each.type in events.processing.BUILT_IN}

    events.feed_in()
    events.feed_in()

    assert sorted(ids()) == sorted(expected)
    assert {row.state for row in event_rows()} == {"pending"}


@pytest.mark.parametrize(
    ("pattern", "more"),
    [
        ("customer.created", {"customer.created"}),
        ("setup_intent.*", {"setup_intent.created"}),
    ],
)
def test_what_a_handler_of_the_host_wants_is_fetched_too(
    world: World, pattern: str, more: set[str]
) -> None:
    world.card()
    told = {each.type for each in current().gateway.events()}
    billing.on(pattern, name="hear")(lambda notice: None)

    events.feed_in()

    fetched = {row.type for row in event_rows()}
    assert fetched == (told & events.processing.BUILT_IN.keys()) | more
    assert {row.state for row in event_rows()} == {"pending"}


def test_only_what_happened_since_then_is_fetched(world: World) -> None:
    world.sandbox.clock.freeze(clock.now().timestamp())
    card = world.card()
    world.sandbox.advance(3600)
    world.stripe.v1.payment_methods.detach(card.stripe_id)

    events.feed_in(since=clock.now() + timedelta(minutes=30))

    assert {row.type for row in event_rows()} == {"payment_method.detached"}


def test_trouble_on_the_way_keeps_what_was_stored(world: World) -> None:
    card = world.card()
    for number in range(110):
        change: Any = {"metadata": {"number": str(number)}}
        world.stripe.v1.customers.update(card.billing_info.stripe_id, change)
    world.sandbox.fail("GET /v1/events", how="error_500", nth=2, times=9)

    with pytest.raises(GatewayUnavailable):
        events.feed_in()

    assert len(ids()) == 100


def test_event_that_cannot_be_read_keeps_no_other_from_being_fetched(
    sqlite_url: str, httpserver: HTTPServer
) -> None:
    good = [event(id=f"evt_{number}") for number in (4, 2)]
    wrong = [event(id=f"evt_{number}", created=-1) for number in (3, 1)]
    listed = [wrong[0], good[0], wrong[1], good[1]]
    page = {"object": "list", "data": listed, "has_more": False, "url": "/v1/events"}
    httpserver.expect_request("/v1/events").respond_with_json(page)
    settings = {"STRIPE_SECRET_KEY": "sk_test_1", "STRIPE_API_BASE": httpserver.url_for("")}
    app = create_app(sqlite_url, **settings)

    with app.app_context():
        db.create_all()
        with pytest.raises(GatewayError) as failed:
            events.feed_in()

        assert failed.value.code == "malformed_event"
        assert sorted(ids()) == ["evt_2", "evt_4"]
