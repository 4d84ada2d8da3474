"""Whatever happens to an object at the processor, its rows end as the processor has it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from flask_billing import SetupSession, events, payment_methods, signals
from flask_billing.events import Notice, ProcessReport
from flask_billing.models import BannedCard
from flask_billing.sandbox import CheckoutRefused
from tests.events.world import (
    PATH,
    MovedClock,
    World,
    by_id,
    ends,
    event_rows,
    made_up,
    method_row,
    serving,
    statements,
    store,
)
from tests.gateways.notices import SECRET
from tests.host import billing, db
from tests.payment_methods.journey import AMEX, MASTERCARD, VISA, order, save, start


def test_saved_card_is_taken_over_without_the_person_coming_back(each_world: World) -> None:
    project, other = each_world.project(), each_world.project("two")
    sessions = [start(project), start(other)]
    each_world.sandbox.complete_checkout(sessions[0])
    each_world.sandbox.complete_checkout(sessions[1], card=AMEX)

    each_world.handle("checkout.session.completed")

    assert len(order(project)) == len(order(other)) == 1
    assert each_world.differences() == []
    assert ends("checkout.session.completed") == {("processed", None)}
    assert set(db.session.scalars(select(SetupSession.state))) == {"complete"}


def test_session_that_ran_out_is_written_down(world: World) -> None:
    project, other = world.project(), world.project("two")
    session_id, open_id = start(project), start(other)
    world.stripe.v1.checkout.sessions.expire(session_id)

    world.handle()

    states = dict(db.session.execute(select(SetupSession.stripe_id, SetupSession.state)).all())
    assert states == {session_id: "expired", open_id: "open"}
    assert ends("checkout.session.expired") == {("processed", None)}


def test_success_of_the_setup_alone_takes_the_card_over(world: World) -> None:
    project = world.project()
    world.sandbox.complete_checkout(start(project))

    world.handle("setup_intent.succeeded")

    assert len(order(project)) == 1
    assert world.differences() == []


def test_refused_card_leaves_the_page_open(world: World) -> None:
    project = world.project()
    session_id = start(project)
    with pytest.raises(CheckoutRefused):
        world.sandbox.complete_checkout(session_id, card="4000000000000002")

    world.handle("setup_intent.setup_failed")

    assert ends("setup_intent.setup_failed") == {("processed", None)}
    assert db.session.scalars(select(SetupSession.state)).one() == "open"
    assert payment_methods.start(project, return_url="http://x/", cancel_url="http://x/")


def test_detached_card_is_removed_and_told_once(each_world: World) -> None:
    project = each_world.project()
    cards = [save(each_world.sandbox, project, card=card) for card in (VISA, MASTERCARD, AMEX)]
    each_world.overhear()
    gone, *left = [card.payment_method.stripe_id for card in cards]
    each_world.stripe.v1.payment_methods.detach(gone)
    told: list[str] = []

    with signals.payment_method_removed.connected_to(
        lambda app, payment_method, **_: told.append(payment_method.stripe_id)
    ):
        (row,) = each_world.arrive()
        events.process()
        events.replay([row.id])
        report = events.process()

    assert report == ProcessReport(processed=1)
    assert told == [gone]
    assert order(project) == left
    assert each_world.differences() == []


def test_card_that_ran_out_and_its_renewal_are_written(each_world: World) -> None:
    card, other = each_world.card(), each_world.card(each_world.project("two"))
    each_world.sandbox.update_card_automatically(card.stripe_id, exp_month=1, exp_year=2020)

    each_world.handle()
    expired = (method_row(card.stripe_id).usable, method_row(other.stripe_id).usable)
    each_world.sandbox.update_card_automatically(card.stripe_id, exp_month=12, exp_year=2099)
    each_world.handle()

    assert expired == (False, True)
    assert method_row(card.stripe_id).usable
    assert each_world.differences() == []
    assert ends("payment_method.automatically_updated") == {("processed", None)}


def test_card_that_was_edited_is_written(world: World) -> None:
    card = world.card()
    change: Any = {"card": {"exp_month": 12, "exp_year": 2031}}
    world.sandbox.update_card_automatically(card.stripe_id, exp_month=1, exp_year=2020)
    world.handle()
    world.stripe.v1.payment_methods.update(card.stripe_id, change)

    world.handle("payment_method.updated")

    assert world.differences() == []
    assert ends("payment_method.updated") == {("processed", None)}


def test_card_that_staff_saved_is_adopted_as_the_last(each_world: World) -> None:
    project, other = each_world.project(), each_world.project("two")
    mine, theirs = each_world.card(project), each_world.card(other)
    added: list[str] = []

    with signals.payment_method_added.connected_to(
        lambda app, payment_method, **_: added.append(payment_method.stripe_id)
    ):
        adopted = each_world.attach(project)
        (row,) = each_world.arrive("payment_method.attached")
        events.process()
        events.replay([row.id])
        events.process()

    assert order(project) == [mine.stripe_id, adopted]
    assert order(other) == [theirs.stripe_id]
    assert added == [adopted]
    assert method_row(adopted).refusal is None
    assert each_world.differences() == []


def test_card_that_staff_saved_and_took_back_is_never_shown(world: World) -> None:
    project = world.project()
    mine = world.card(project)
    world.stripe.v1.payment_methods.detach(world.attach(project))

    world.handle()

    assert order(project) == [mine.stripe_id]
    assert ends("payment_method.attached") == {("processed", None)}
    assert world.differences() == []


@pytest.mark.parametrize(
    ("settings", "token"),
    [({"BILLING_BLOCKED_COUNTRIES": ["US"]}, "pm_card_visa")],
    ids=["country"],
)
def test_adopted_card_is_refused_by_the_rule_of_countries(world: World, token: str) -> None:
    project = world.project()
    world.card(project, card="4000002760000016")
    refused: list[str | None] = []

    with signals.payment_method_refused.connected_to(
        lambda app, payment_method, **_: refused.append(payment_method.refusal)
    ):
        adopted = world.attach(project, token)
        world.handle()

    assert refused == [method_row(adopted).refusal] == ["country"]
    assert not method_row(adopted).is_usable


@pytest.mark.parametrize("settings", [{"BILLING_BANNED_CARD_KEY": "0123456789abcdef"}], ids=["key"])
def test_adopted_card_is_refused_where_it_is_banned(world: World) -> None:
    project, other = world.project(), world.project("two")
    world.card(project)
    payment_methods.ban(world.card(other, card=MASTERCARD))

    adopted = world.attach(project, "pm_card_mastercard")
    world.handle()

    assert len(db.session.scalars(select(BannedCard.digest)).all()) == 1
    assert method_row(adopted).refusal == "banned"


@pytest.mark.parametrize("settings", [{"BILLING_PREAUTHORIZATION": 100}], ids=["hold"])
def test_adopted_card_is_checked_like_any_other(world: World) -> None:
    project = world.project()
    world.card(project)

    good = world.attach(project, "pm_card_mastercard")
    bad = world.attach(project, "pm_card_chargeCustomerFail")
    world.handle("payment_method.attached")

    assert method_row(good).refusal is None
    assert method_row(bad).refusal == "declined"


@pytest.mark.parametrize(
    ("settings", "calls_before"),
    [({}, 1), ({"BILLING_PREAUTHORIZATION": 100}, 2)],
    ids=["usual", "hold"],
)
def test_adopted_card_is_told_and_checked_though_the_second_look_at_it_failed(
    world: World, moved_clock: MovedClock, calls_before: int
) -> None:
    project = world.project()
    world.card(project)
    adopted = world.attach(project)
    world.arrive("payment_method.attached")
    path, nth = "GET /v1/payment_methods/*", calls_before + 1
    world.sandbox.fail(path, how="error_500", nth=nth, times=3)
    added: list[str] = []

    with signals.payment_method_added.connected_to(
        lambda app, payment_method, **_: added.append(payment_method.stripe_id)
    ):
        first = events.process()
        moved_clock.advance(minutes=2)
        second = events.process()

    assert (first, second) == (ProcessReport(retried=1), ProcessReport(processed=1))
    assert added == [adopted]
    assert method_row(adopted).refusal is None
    assert world.differences() == []


def test_saved_card_is_told_though_the_second_look_at_its_customer_failed(
    world: World, moved_clock: MovedClock
) -> None:
    project = world.project()
    world.sandbox.complete_checkout(start(project))
    heard: list[str] = []

    @billing.on("checkout.session.completed")
    def hear(notice: Notice) -> None:
        assert notice.setup_session is not None
        heard.append(notice.setup_session.state)

    world.arrive("checkout.session.completed")
    world.sandbox.fail("GET /v1/customers/*", how="error_500", times=3)
    first = events.process()
    moved_clock.advance(minutes=2)
    second = events.process()

    assert (first, second) == (ProcessReport(retried=1), ProcessReport(processed=1))
    assert heard == ["complete"]
    assert len(order(project)) == 1


def test_deleted_customer_stays_and_cannot_pay(each_world: World) -> None:
    project, other = each_world.project(), each_world.project("two")
    each_world.card(project)
    kept = each_world.card(other)
    info = project.billing_info
    each_world.stripe.v1.customers.delete(info.stripe_id)

    each_world.handle()

    db.session.expire_all()
    assert info.removed_at is not None
    assert order(project) == []
    assert order(other) == [kept.stripe_id]
    assert not project.has_payment_method
    assert other.has_payment_method
    assert each_world.differences() == []
    assert {state for state, _ in ends("customer.deleted")} == {"processed"}


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
def test_deletion_alone_takes_the_payment_methods_along(world: World, turned: bool) -> None:
    project = world.project()
    world.card(project)
    world.card(project, card=AMEX)
    world.stripe.v1.customers.delete(project.billing_info.stripe_id)
    told = world.told()
    assert [each.type for each in told][-1] == "customer.deleted"

    store(told[-1:] if turned else told[:-1])
    events.process()
    store(told)
    report = events.process()

    assert report.retried == report.failed == 0
    assert world.differences() == []


@pytest.mark.parametrize("turned", [False, True], ids=["in order", "turned"])
def test_removal_of_each_card_of_a_deleted_customer_is_told_once(
    each_world: World, turned: bool
) -> None:
    project, other = each_world.project(), each_world.project("two")
    cards = [each_world.card(project).id, each_world.card(project, card=AMEX).id]
    each_world.card(other)
    each_world.stripe.v1.customers.delete(project.billing_info.stripe_id)
    arriving = each_world.told()
    told: list[Any] = []

    with signals.payment_method_removed.connected_to(
        lambda app, payment_method, **_: told.append(payment_method.id)
    ):
        for each in reversed(arriving) if turned else arriving:
            store([each])
            events.process()

    assert sorted(told) == sorted(cards)
    assert each_world.differences() == []


def test_person_can_start_anew_after_the_customer_was_deleted(world: World) -> None:
    project = world.project()
    world.card(project)
    gone = project.billing_info.stripe_id
    world.stripe.v1.customers.delete(gone)
    world.handle()

    world.card(project, card=AMEX)

    assert project.billing_info.stripe_id != gone
    assert project.has_payment_method
    assert world.differences() == []


def test_changed_customer_and_tax_ids_leave_nothing_behind(world: World) -> None:
    card = world.card()
    customer = card.billing_info.stripe_id
    world.stripe.v1.customers.update(customer, {"name": "kanary"})
    tax_id: Any = {"type": "eu_vat", "value": "DE123456789"}
    made = world.stripe.v1.customers.tax_ids.create(customer, tax_id)
    world.stripe.v1.customers.tax_ids.delete(customer, made.id)

    report = world.handle()

    kinds = {row.type for row in event_rows()}
    assert {"customer.updated", "customer.tax_id.created", "customer.tax_id.deleted"} <= kinds
    assert {row.state for row in event_rows()} == {"processed"}
    assert report.processed == len(event_rows())
    assert world.differences() == []


# What it costs


@pytest.mark.parametrize("kind", ["payment_method.updated", "customer.updated"])
def test_processing_takes_seven_statements_and_one_call(each_world: World, kind: str) -> None:
    card = each_world.card()
    customer = card.billing_info.stripe_id
    change: Any = {"metadata": {"a": "b"}}
    each_world.stripe.v1.payment_methods.update(card.stripe_id, change)
    each_world.stripe.v1.customers.update(customer, change)
    each_world.arrive(kind)
    db.session.remove()
    each_world.sandbox.requests.clear()

    with statements() as executed:
        report = events.process(limit=1)

    most = 7 if db.engine.dialect.name != "mariadb" else 10
    assert report == ProcessReport(processed=1)
    assert len(each_world.sandbox.requests) == 1
    assert len(executed) <= most, executed


# In the background of a web app


def test_processing_needs_a_clean_session(world: World) -> None:
    project = world.project()
    project.name = "changed"
    events.store(made_up(type="customer.updated", object_id="cus_1"))

    with pytest.raises(RuntimeError, match="Commit or roll back"):
        events.process()

    assert by_id("evt_1").attempts == 0


def test_app_delivers_and_processes_what_the_sandbox_sends(world: World) -> None:
    card = world.card()
    with serving(world.app) as url:
        world.sandbox.webhooks.register(url + PATH, SECRET)
        world.stripe.v1.payment_methods.detach(card.stripe_id)
        made = world.sandbox.webhooks.deliver()
        world.sandbox.webhooks.resend(made[-1].event_id)
        made += world.sandbox.webhooks.deliver()

    assert {attempt.status for attempt in made} == {200}
    assert events.process().processed == 1
    assert method_row(card.stripe_id).removed_at is not None
