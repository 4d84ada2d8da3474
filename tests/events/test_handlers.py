"""A host's handler runs to its end exactly once for each event, and only where it should."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
import time
from collections.abc import Callable
from dataclasses import fields
from importlib.util import find_spec
from typing import Any

import pytest
from sqlalchemy import func, select

from flask_billing import PaymentMethod, events, payment_methods
from flask_billing.events import Notice, ProcessReport
from flask_billing.models import BillingEventHandling
from tests.at_once import at_once
from tests.events.world import MovedClock, World, by_id, event_rows, made_up, store
from tests.host import Project, billing, db
from tests.payment_methods.journey import order, start

CANARY = "kanary"
MANY = 20


def write_project(notice: Notice) -> None:
    """Leave one row of the host for each run."""
    db.session.add(Project(name=notice.stripe_id))


def written() -> list[str]:
    """What handlers left in the host's own table."""
    db.session.rollback()
    return sorted(db.session.scalars(select(Project.name)))


def done() -> list[str]:
    db.session.rollback()
    return sorted(db.session.scalars(select(BillingEventHandling.handler)))


def process(*numbers: int, **changes: Any) -> ProcessReport:
    """Store made-up events and process them."""
    for number in numbers:
        events.store(made_up(number, **changes))
    return events.process()


# Which events


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("payment_method.updated", ["payment_method.updated"]),
        ("payment_method.*", ["payment_method.attached", "payment_method.updated"]),
        ("customer.tax_id.*", ["customer.tax_id.created"]),
        ("customer.*", ["customer.tax_id.created", "customer.updated"]),
        ("*", None),
        ("payment.*", []),
        ("payment_method.updated_", []),
    ],
)
def test_handler_is_told_of_a_type_a_family_or_all(
    world: World, pattern: str, told: list[str] | None
) -> None:
    kinds = [
        "customer.tax_id.created",
        "customer.updated",
        "customers.updated",
        "payment_method.attached",
        "payment_method.updated",
        "product.updated",
    ]
    card = world.card()
    heard: list[str] = []
    billing.on(pattern, name="listener")(lambda notice: heard.append(notice.type))
    for number, kind in enumerate(kinds):
        thing = card.stripe_id if kind.startswith("payment_method") else card.billing_info.stripe_id
        events.store(
            made_up(number, type=kind, object_id=thing, customer_id=card.billing_info.stripe_id)
        )

    events.process()

    assert heard == (kinds if told is None else told)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "payment_method",
        "payment_method.",
        ".updated",
        "payment_method*",
        "*.updated",
        "**",
        "Payment_method.updated",
        "payment method.updated",
        "a.*.b",
        "a..b",
        "a.b\n",
        "a.b.*.*",
    ],
)
def test_pattern_that_no_event_has_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="no event type"):
        billing.on(pattern, name="x")(lambda notice: None)

    assert billing._hooks.event_handlers == []


def test_handler_stays_the_function_that_it_was() -> None:
    assert billing.on("product.updated")(write_project) is write_project


def test_function_without_a_name_of_its_own_is_refused() -> None:
    with pytest.raises(TypeError, match="Give this handler a name"):
        billing.on("product.updated")(lambda notice: None)
    with pytest.raises(TypeError, match="Give this handler a name"):
        billing.on("product.updated")(functools.partial(write_project))
    with pytest.raises(TypeError, match="Give this handler a name"):
        billing.on("product.updated", name="x" * 256)(write_project)


def test_second_function_of_the_same_name_is_refused() -> None:
    @billing.on("product.updated")
    def tell(notice: Notice) -> None:
        """Be the first."""

    first = tell
    with pytest.raises(RuntimeError, match=r"Two handlers are called \S+\.tell,"):

        @billing.on("product.*")
        def tell(notice: Notice) -> None:
            """Be another one."""

    assert [handler.function for handler in billing._hooks.event_handlers] == [first]


def test_second_function_under_a_given_name_is_refused() -> None:
    billing.on("product.updated", name="tell")(write_project)

    with pytest.raises(RuntimeError, match="Two handlers are called tell,"):
        billing.on("product.created", name="tell")(commit)


def test_two_functions_in_the_same_wrapper_are_not_taken_for_one(world: World) -> None:
    def logged(function: Callable[[Notice], None]) -> Callable[[Notice], None]:
        def wrapper(notice: Notice) -> None:
            function(notice)

        return wrapper

    def tell(notice: Notice) -> None:
        """Be another one."""

    billing.on("product.updated")(logged(write_project))

    with pytest.raises(RuntimeError, match=r"Two handlers are called \S+\.wrapper,"):
        billing.on("product.updated")(logged(tell))
    process(1)

    assert written() == ["evt_1"]


class Plugin:
    """Listens as an object does; two of it are two listeners."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def listen(self, notice: Notice) -> None:
        """Remember the event."""
        self.heard.append(notice.stripe_id)


def test_methods_of_two_objects_are_not_taken_for_one(world: World) -> None:
    first, second = Plugin(), Plugin()
    billing.on("product.updated")(first.listen)
    billing.on("product.*")(first.listen)

    with pytest.raises(RuntimeError, match=r"Two handlers are called \S+\.Plugin\.listen,"):
        billing.on("product.updated")(second.listen)
    billing.on("product.updated", name="second")(second.listen)
    process(1)

    assert (first.heard, second.heard) == (["evt_1"], ["evt_1"])


def make_writer(prefix: str) -> Callable[[Notice], None]:
    def write(notice: Notice) -> None:
        db.session.add(Project(name=f"{prefix} {notice.stripe_id}"))

    return write


def test_two_closures_of_a_name_on_overlapping_patterns_fail_instead_of_losing_one(
    world: World,
) -> None:
    billing.on("product.*")(make_writer("family"))
    billing.on("product.updated")(make_writer("type"))
    events.store(made_up(2, type="product.created"))

    report = process(1)

    assert report == ProcessReport(processed=1, retried=1)
    assert by_id("evt_1").error_class == "RuntimeError"
    assert written() == ["family evt_2"]


def test_longest_name_is_remembered(each_world: World) -> None:
    billing.on("product.updated", name="x" * 255)(write_project)

    process(1)

    assert done() == ["x" * 255]


def test_names_that_differ_in_case_are_two_handlers(each_world: World) -> None:
    billing.on("product.updated", name="Tell")(write_project)
    billing.on("product.updated", name="tell")(write_project)

    process(1)

    assert written() == ["evt_1", "evt_1"]


def make_listener(heard: list[str]) -> None:
    """Register as a host's app factory does, a new function object each time."""

    @billing.on("product.updated")
    def listen(notice: Notice) -> None:
        heard.append(notice.stripe_id)


def test_handler_of_an_app_factory_that_ran_twice_runs_once(world: World) -> None:
    first: list[str] = []
    second: list[str] = []
    make_listener(first)
    make_listener(second)

    process(1)

    assert (first, second) == ([], ["evt_1"])


def test_handlers_of_an_app_factory_that_ran_twice_run_once_whatever_wraps_them(
    world: World,
) -> None:
    def logged(function: Callable[[Notice], None]) -> Callable[[Notice], None]:
        def wrapper(notice: Notice) -> None:
            function(notice)

        return wrapper

    def make_app(heard: list[str]) -> None:
        def listen(notice: Notice) -> None:
            heard.append(notice.stripe_id)

        billing.on("product.updated")(logged(listen))
        billing.on("product.*")(listen)
        billing.on("product.updated")(listen)

    first: list[str] = []
    second: list[str] = []
    make_app(first)
    make_app(second)

    process(1)

    assert (first, second) == ([], ["evt_1"] * 2)


def test_function_with_two_patterns_runs_once_for_an_event_that_both_mean(world: World) -> None:
    for pattern in ("product.updated", "product.*", "*"):
        billing.on(pattern)(write_project)

    process(1)

    assert written() == ["evt_1"]
    assert len(done()) == 1


# What it is told, and when


def test_handler_runs_after_our_own_part(world: World) -> None:
    seen: list[tuple[bool, int]] = []

    @billing.on("payment_method.detached")
    def look(notice: Notice) -> None:
        method = notice.payment_method
        assert method is not None
        seen.append((method.removed_at is not None, len(method.billing_info.payment_methods)))

    card, other = world.card(), world.card(world.project("two"))
    world.stripe.v1.payment_methods.detach(card.stripe_id)
    world.handle()

    assert seen == [(True, 1)]
    assert other.is_usable


def test_notice_leads_to_our_rows(world: World) -> None:
    project = world.project()
    notices: dict[str, tuple[Any, Any, Any]] = {}

    @billing.on("*")
    def look(notice: Notice) -> None:
        info, method, session = notice.billing_info, notice.payment_method, notice.setup_session
        notices[notice.type] = (info and info.id, method and method.id, session and session.state)

    session_id = start(project)
    world.sandbox.complete_checkout(session_id)
    world.handle("checkout.session.completed")
    card = project.payment_methods[0]
    world.sandbox.update_card_automatically(card.stripe_id, exp_year=2099)
    world.stripe.v1.customers.update(card.billing_info.stripe_id, {"name": "Ada"})
    world.handle("customer.updated", "payment_method.automatically_updated")
    process(1)

    info = card.billing_info.id
    assert notices == {
        "checkout.session.completed": (info, None, "complete"),
        "payment_method.automatically_updated": (info, card.id, None),
        "customer.updated": (info, None, None),
        "product.updated": (None, None, None),
    }


def test_notice_of_a_detached_method_still_knows_whose_it_was(world: World) -> None:
    found: list[Any] = []

    @billing.on("payment_method.detached")
    def look(notice: Notice) -> None:
        assert notice.billing_info is not None
        found.append((notice.customer_id, notice.billing_info.stripe_id))

    card = world.card()
    customer = card.billing_info.stripe_id
    world.stripe.v1.payment_methods.detach(card.stripe_id)
    world.handle()

    assert found == [(customer, customer)]


def test_notice_holds_ids_and_times_only(world: World) -> None:
    notices: list[Notice] = []
    billing.on("customer.updated", name="keep")(notices.append)
    card = world.card()
    world.stripe.v1.customers.update(
        card.billing_info.stripe_id,
        {"name": CANARY, "email": f"{CANARY}@example.com", "metadata": {CANARY: CANARY}},
    )

    world.handle()

    (notice,) = notices
    assert CANARY not in repr(notice)
    assert {field.name for field in fields(notice)} == {
        "id",
        "stripe_id",
        "type",
        "object_id",
        "object_type",
        "customer_id",
        "account_id",
        "livemode",
        "created_at",
    }
    assert notice.id == by_id(notice.stripe_id).id


def test_what_is_not_ours_is_told_to_nobody(world: World) -> None:
    billing.on("*")(write_project)
    customer = world.stripe.v1.customers.create({"name": "Grace"}).id
    world.stripe.v1.payment_methods.attach("pm_card_visa", {"customer": customer})
    world.stripe.v1.customers.update(customer, {"name": "Ada"})

    report = world.handle()

    assert report.processed == 0
    assert written() == []
    assert {row.reason for row in event_rows()} == {"not_ours"}


def test_event_of_a_connected_account_reaches_handlers(world: World) -> None:
    billing.on("payment_method.updated")(write_project)

    report = process(1, type="payment_method.updated", account_id="acct_1", customer_id="cus_9")

    assert report == ProcessReport(processed=1)
    assert written() == ["evt_1"]


def test_notice_of_a_connected_account_leads_to_none_of_our_rows(world: World) -> None:
    found: list[Any] = []

    @billing.on("*")
    def look(notice: Notice) -> None:
        found.append((notice.billing_info, notice.payment_method, notice.setup_session))

    project = world.project()
    card = world.card(project)
    session_id = start(project)
    customer = card.billing_info.stripe_id
    things = {
        "customer.updated": (customer, "customer"),
        "payment_method.updated": (card.stripe_id, "payment_method"),
        "checkout.session.completed": (session_id, "checkout.session"),
    }
    for number, (kind, (object_id, object_type)) in enumerate(things.items()):
        events.store(
            made_up(
                number,
                type=kind,
                object_id=object_id,
                object_type=object_type,
                customer_id=customer,
                account_id="acct_2",
            )
        )

    report = events.process()

    assert report == ProcessReport(processed=3)
    assert found == [(None, None, None)] * 3


# Exactly once


class Trouble(Exception):
    """What goes wrong in a host; its text is nobody's business."""


def failing(times: int, before: Callable[[Notice], None] = write_project) -> Any:
    """Return a handler that does its work and then fails, so many times."""
    left = iter(range(times))

    def handler(notice: Notice) -> None:
        before(notice)
        db.session.flush()
        if next(left, None) is not None:
            raise Trouble(CANARY)

    return handler


def test_handler_runs_once_while_another_fails_and_is_tried_again(
    each_world: World, moved_clock: MovedClock, caplog: pytest.LogCaptureFixture
) -> None:
    runs: list[str] = []
    billing.on("product.updated", name="first")(lambda notice: runs.append("first"))
    billing.on("product.updated", name="second")(failing(2))
    billing.on("product.updated", name="third")(lambda notice: runs.append("third"))

    reports = [process(1)]
    for _ in range(2):
        moved_clock.advance(minutes=5)
        reports.append(events.process())

    assert reports == [ProcessReport(retried=1)] * 2 + [ProcessReport(processed=1)]
    assert runs == ["first", "third"]
    assert written() == ["evt_1"]
    assert done() == ["first", "second", "third"]
    assert "Handler second failed on event evt_1: Trouble." in caplog.text
    assert CANARY not in caplog.text


def test_failure_leaves_its_kind_and_not_its_text(world: World) -> None:
    billing.on("product.updated", name="bad")(failing(9))

    process(1)

    row = by_id("evt_1")
    assert (row.state, row.error_class, row.error_code) == ("pending", "Trouble", None)
    assert written() == []


def test_code_of_a_hosts_error_is_not_kept(world: World) -> None:
    class Coded(Exception):
        code = CANARY

    class Unreadable(Exception):
        @property
        def code(self) -> str:
            raise ValueError(CANARY)

    @billing.on("product.updated", name="coded")
    def fail(notice: Notice) -> None:
        raise Coded if notice.stripe_id == "evt_1" else Unreadable

    report = process(1, 2)

    kept = [(row.error_class, row.error_code) for row in event_rows()]
    assert report == ProcessReport(retried=2)
    assert kept == [("Coded", None), ("Unreadable", None)]


def test_handler_that_asks_the_process_to_end_has_failed(world: World) -> None:
    @billing.on("product.updated", name="leaver")
    def leave(notice: Notice) -> None:
        write_project(notice)
        raise SystemExit(0)

    billing.on("product.*", name="other")(write_project)
    events.store(made_up(2, type="product.created"))

    report = process(1)

    assert report == ProcessReport(processed=1, retried=1)
    assert by_id("evt_1").error_class == "RuntimeError"
    assert done() == ["other", "other"]
    assert written() == ["evt_1", "evt_2"]


def test_async_handler_runs_or_is_tried_again(world: World) -> None:
    ran: list[str] = []

    @billing.on("product.updated", name="later")
    async def listen(notice: Notice) -> None:
        ran.append(notice.stripe_id)

    report = process(1, 2)

    if find_spec("asgiref") is None:
        # Flask says which extra to install.
        assert (ran, done(), report) == ([], [], ProcessReport(retried=2))
    else:
        assert (ran, done(), report) == (
            ["evt_1", "evt_2"],
            ["later", "later"],
            ProcessReport(processed=2),
        )


def test_failure_does_not_undo_our_own_part(world: World) -> None:
    billing.on("payment_method.detached", name="bad")(failing(9))
    project = world.project()
    card = world.card(project)
    world.stripe.v1.payment_methods.detach(card.stripe_id)

    report = world.handle()

    assert report == ProcessReport(retried=1)
    assert order(project) == []
    assert world.differences() == []


def test_handler_runs_once_for_an_event_that_comes_twice_or_is_repeated(world: World) -> None:
    billing.on("product.updated")(write_project)
    process(1)
    process(1)
    row = by_id("evt_1")

    replayed = events.replay([row.id])
    report = events.process()

    assert (replayed, report) == (1, ProcessReport(processed=1))
    assert written() == ["evt_1"]


def test_handler_runs_again_only_where_staff_wants_that(each_world: World) -> None:
    billing.on("product.updated")(write_project)
    process(1, 2)

    events.replay([by_id("evt_1").id], again=True)
    events.process()

    assert written() == ["evt_1", "evt_1", "evt_2"]
    assert len(done()) == 2


def test_handler_that_came_later_is_told_when_the_event_is_repeated(world: World) -> None:
    billing.on("product.updated", name="early")(write_project)
    process(1)
    billing.on("product.updated", name="late")(write_project)

    events.replay([by_id("evt_1").id])
    events.process()

    assert done() == ["early", "late"]
    assert written() == ["evt_1", "evt_1"]


@pytest.mark.concurrency
@pytest.mark.parametrize("fails", [False, True], ids=["ends well", "fails"])
def test_who_runs_a_handler_at_the_same_time_waits_for_how_it_ends(
    crowded: World, fails: bool
) -> None:
    """As where a claim ran out while its worker was at work; the row in the table decides."""
    runs: list[str] = []

    @billing.on("product.updated", name="slow")
    def slow(notice: Notice) -> None:
        runs.append(notice.stripe_id)
        write_project(notice)
        db.session.flush()
        time.sleep(0.3)
        if fails and len(runs) == 1:
            raise Trouble

    events.store(made_up(1))
    claimed = events.claiming.claim()
    assert claimed is not None

    def work() -> None:
        events.handling.handle(claimed, events.registry.handlers_for("product.updated"))

    outcomes = at_once(crowded.app, work, work)

    assert runs == ["evt_1"] * (2 if fails else 1)
    assert [type(outcome) for outcome in outcomes].count(Trouble) == fails
    assert written() == ["evt_1"]
    assert done() == ["slow"]


# One transaction


def commit(notice: Notice) -> None:
    write_project(notice)
    db.session.commit()


def commit_inside_of_a_savepoint(notice: Notice) -> None:
    write_project(notice)
    with db.session.begin_nested():
        db.session.commit()


def commit_the_connection(notice: Notice) -> None:
    write_project(notice)
    db.session.flush()
    db.session.connection().commit()


def commit_the_connections_transaction(notice: Notice) -> None:
    write_project(notice)
    db.session.flush()
    transaction = db.session.connection().get_transaction()
    assert transaction is not None
    transaction.commit()


def roll_back(notice: Notice) -> None:
    write_project(notice)
    db.session.rollback()
    write_project(notice)


def roll_back_and_commit(notice: Notice) -> None:
    db.session.rollback()
    write_project(notice)
    db.session.commit()


def close(notice: Notice) -> None:
    write_project(notice)
    db.session.flush()
    db.session.remove()
    write_project(notice)


def call_a_verb(notice: Notice) -> None:
    project = Project(name=notice.stripe_id)
    db.session.add(project)
    db.session.flush()
    payment_methods.start(project, return_url="http://x/", cancel_url="http://x/")


@pytest.mark.parametrize(
    "handler",
    [
        commit,
        commit_inside_of_a_savepoint,
        commit_the_connection,
        commit_the_connections_transaction,
        roll_back,
        roll_back_and_commit,
        close,
        call_a_verb,
    ],
    ids=lambda handler: handler.__name__,
)
def test_handler_that_ends_the_transaction_is_told_and_leaves_nothing(
    each_world: World, handler: Callable[[Notice], None]
) -> None:
    told: list[str] = []

    @billing.on("product.updated", name="wrong")
    def watched(notice: Notice) -> None:
        handler(notice)

    original = events.handling._run

    def watch(*args: Any) -> None:
        try:
            original(*args)
        except RuntimeError as error:
            told.append(str(error))
            raise

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events.handling, "_run", watch)
        report = process(1)

    (message,) = told
    assert report == ProcessReport(retried=1)
    assert "The handler wrong" in message
    assert "must not commit" in message or "Use a savepoint" in message
    assert written() == []
    assert done() == []
    assert by_id("evt_1").error_class == "RuntimeError"


@pytest.mark.parametrize("handler", [commit, commit_the_connection], ids=["session", "connection"])
def test_handler_that_hides_the_refusal_of_its_commit_leaves_nothing(
    each_world: World, handler: Callable[[Notice], None]
) -> None:
    @billing.on("product.updated", name="sneaky")
    def sneaky(notice: Notice) -> None:
        with contextlib.suppress(RuntimeError):
            handler(notice)
        db.session.add(Project(name="later"))

    process(1)

    assert written() == []
    assert done() == []


def test_next_event_is_not_harmed_by_one_whose_handler_commits(world: World) -> None:
    billing.on("product.updated", name="wrong")(commit)
    billing.on("product.created", name="right")(write_project)
    events.store(made_up(1))
    events.store(made_up(2, type="product.created"))

    report = events.process()

    assert report == ProcessReport(processed=1, retried=1)
    assert written() == ["evt_2"]
    assert done() == ["right"]


def test_savepoints_are_fine(each_world: World) -> None:
    @billing.on("product.updated")
    def careful(notice: Notice) -> None:
        write_project(notice)
        with db.session.begin_nested():
            db.session.add(Project(name="kept"))
        undone = db.session.begin_nested()
        db.session.add(Project(name="undone"))
        db.session.flush()
        undone.rollback()
        db.session.begin_nested()
        db.session.add(Project(name="left open"))

    report = process(1)

    assert report == ProcessReport(processed=1)
    assert written() == ["evt_1", "kept", "left open"]
    assert len(done()) == 1


def test_handler_whose_work_the_database_refuses_leaves_nothing(each_world: World) -> None:
    @billing.on("product.updated")
    def wrong(notice: Notice) -> None:
        write_project(notice)
        db.session.add(PaymentMethod(stripe_id=None, usable=True))  # type: ignore[arg-type]

    report = process(1)

    assert report == ProcessReport(retried=1)
    assert written() == []
    assert done() == []


def test_host_may_commit_after_events_were_processed(world: World) -> None:
    billing.on("product.updated")(write_project)
    process(1)

    db.session.add(Project(name="later"))
    db.session.commit()

    assert written() == ["evt_1", "later"]


# Many


@pytest.mark.concurrency
@pytest.mark.parametrize("seed", [7])
def test_effects_happen_once_under_parallel_workers_and_random_failures(
    crowded: World, moved_clock: MovedClock, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    draw = random.Random(seed)
    chances = {(number, name): draw.random() < 0.4 for number in range(MANY) for name in "ab"}

    def handler(name: str, notice: Notice) -> None:
        db.session.add(Project(name=f"{name} {notice.stripe_id}"))
        db.session.flush()
        if chances.pop((int(notice.stripe_id[4:]), name), False):
            raise Trouble

    for name in "ab":
        billing.on("product.updated", name=name)(functools.partial(handler, name))
    store([made_up(number) for number in range(MANY)])

    for _ in range(5):
        at_once(crowded.app, *[events.process] * 4)
        moved_clock.advance(hours=7)

    effects = sorted(f"{name} evt_{number}" for number in range(MANY) for name in "ab")
    assert written() == effects, f"seed {seed}"
    assert {row.state for row in event_rows()} == {"processed"}
    assert db.session.scalar(select(func.count()).select_from(BillingEventHandling)) == 2 * MANY
