"""Order, number and earliness of events do not matter: the rows end as the processor has it."""

from __future__ import annotations

import random
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import event as listening
from sqlalchemy import select

from flask_billing import PaymentMethod, SetupSession, events, payment_methods
from flask_billing.events import ProcessReport
from flask_billing.gateways.stripe.reading import LOCAL_ID
from tests.events.world import (
    MovedClock,
    World,
    by_type,
    event_rows,
    made_up,
    method_row,
    store,
)
from tests.host import billing, db
from tests.payment_methods.journey import AMEX, MASTERCARD, order, start


@pytest.mark.parametrize("seed", range(6))
def test_order_and_number_of_events_change_nothing(world: World, seed: int) -> None:
    draw = random.Random(seed)
    project, other = world.project(), world.project("two")
    first = world.card(project)
    world.sandbox.complete_checkout(start(project), card=MASTERCARD)
    world.sandbox.complete_checkout(start(other), card=AMEX)
    staff = world.attach(project, "pm_card_jcb")
    world.sandbox.update_card_automatically(first.stripe_id, exp_month=1, exp_year=2020)
    world.stripe.v1.payment_methods.detach(staff)
    world.sandbox.update_card_automatically(first.stripe_id, exp_month=1, exp_year=2099)
    told = world.told() * 2
    draw.shuffle(told)

    for each in told:
        events.store(each)
        if draw.random() < 0.5:
            events.process(limit=1)
    report = events.process()

    assert report.retried == report.failed == 0
    assert world.differences() == [], f"seed {seed}"
    assert len(order(project)) == 2
    assert len(order(other)) == 1


def test_events_in_reverse_end_the_same(each_world: World) -> None:
    project = each_world.project()
    each_world.sandbox.complete_checkout(start(project))
    saved = each_world.stripe.v1.payment_methods.list({"limit": 9}).data[0].id
    each_world.sandbox.update_card_automatically(saved, exp_month=1, exp_year=2020)

    for each in reversed(each_world.told()):
        store([each])
        events.process()

    assert order(project) == [saved]
    assert each_world.differences() == []
    assert {row.state for row in event_rows()} <= {"processed", "ignored"}


FIRST_CARD = ["setup_intent.succeeded", "payment_method.attached", "checkout.session.completed"]


@pytest.mark.parametrize(
    "kinds",
    list(permutations(FIRST_CARD)),
    ids=lambda kinds: ", ".join(k.split(".")[0] for k in kinds),
)
def test_first_card_is_known_in_whichever_order_it_is_told(
    world: World, moved_clock: MovedClock, kinds: tuple[str, ...]
) -> None:
    heard: list[str] = []
    billing.on("checkout.session.completed", name="hear")(lambda n: heard.append(n.stripe_id))
    project, other = world.project(), world.project("two")
    world.sandbox.complete_checkout(start(project))
    world.sandbox.complete_checkout(start(other), card=AMEX)

    for kind in kinds:
        world.handle(kind)
    moved_clock.advance(minutes=5)
    events.process()

    assert len(order(project)) == len(order(other)) == 1
    assert world.differences() == []
    assert sorted(heard) == sorted(row.stripe_id for row in by_type("checkout.session.completed"))
    assert len(heard) == 2
    assert {row.state for row in event_rows()} <= {"processed", "ignored"}


# What overtakes our own commit


def test_what_is_told_of_a_customer_to_come_waits_for_its_row(
    world: World, moved_clock: MovedClock
) -> None:
    heard: list[str] = []
    for kind in ("customer.tax_id.created", "invoice.paid"):
        billing.on(kind, name=kind)(lambda notice: heard.append(notice.type))
    session_id, other = start(world.project()), start(world.project("two"))
    told = []
    for number, stay in enumerate((session_id, other)):
        world.sandbox.complete_checkout(stay)
        session = world.stripe.v1.checkout.sessions.retrieve(stay)
        customer = str(session.customer)
        mark: Any = {"metadata": {LOCAL_ID: session.to_dict()["metadata"][LOCAL_ID]}}
        world.stripe.v1.customers.update(customer, mark)
        told += [
            made_up(10 * number + place, type=kind, customer_id=customer)
            for place, kind in enumerate(("customer.tax_id.created", "invoice.paid"))
        ]
    stranger = world.stranger()[0]
    told.append(made_up(99, type="customer.tax_id.created", customer_id=stranger))
    store(told)

    # Each once: on a slow day the first would be due again before the last was looked at.
    early = events.process(limit=len(told))
    world.handle("checkout.session.completed")
    before = list(heard)
    moved_clock.advance(minutes=5)
    late = events.process()

    assert early == ProcessReport(retried=4, ignored=1)
    assert before == []
    assert late == ProcessReport(processed=4)
    assert sorted(heard) == ["customer.tax_id.created"] * 2 + ["invoice.paid"] * 2


def forget_session_id(session_id: str) -> SetupSession:
    """Put a row back to what it is between the processor's answer and our commit."""
    row = db.session.scalars(select(SetupSession).where(SetupSession.stripe_id == session_id)).one()
    row.stripe_id, row.expires_at, row.state = None, None, "starting"
    db.session.commit()
    return row


def test_session_whose_id_is_not_written_yet_is_known_by_its_metadata(each_world: World) -> None:
    project = each_world.project()
    session_id = start(project)
    each_world.sandbox.complete_checkout(session_id)
    row = forget_session_id(session_id)

    report = each_world.handle("checkout.session.completed")

    db.session.refresh(row)
    assert report == ProcessReport(processed=1)
    assert (row.state, row.stripe_id) == ("complete", session_id)
    assert len(order(project)) == 1


def test_setup_whose_session_is_not_written_yet_is_tried_again(
    world: World, moved_clock: MovedClock
) -> None:
    project = world.project()
    session_id = start(project)
    world.sandbox.complete_checkout(session_id)
    row = forget_session_id(session_id)

    first = world.handle("setup_intent.succeeded")
    waiting = by_type("setup_intent.succeeded")[0]
    kept = (waiting.state, waiting.error_class)
    row.stripe_id = session_id
    db.session.commit()
    moved_clock.advance(minutes=1)
    second = events.process()

    assert (first, second) == (ProcessReport(retried=1), ProcessReport(processed=1))
    assert kept == ("pending", "NotYet")
    assert by_type("setup_intent.succeeded")[0].error_class is None
    assert len(order(project)) == 1


def test_card_of_a_customer_that_is_not_written_yet_is_tried_again(
    world: World, moved_clock: MovedClock
) -> None:
    """As if the commit had come after the processor was told whose customer it is."""
    project = world.project()
    session_id = start(project)
    world.sandbox.complete_checkout(session_id)
    row_id = db.session.scalars(select(SetupSession.id)).one()
    customer = world.stripe.v1.customers.list().data[0].id
    attached = world.told("payment_method.attached")
    ours: Any = {"metadata": {LOCAL_ID: str(row_id)}}
    world.stripe.v1.customers.update(customer, ours)

    store(attached)
    first = events.process()
    payment_methods.complete(project, session_id)
    moved_clock.advance(minutes=1)
    second = events.process()

    assert (first, second) == (ProcessReport(retried=1), ProcessReport(processed=1))
    assert len(order(project)) == 1
    assert world.differences() == []


def test_change_before_the_row_was_there_is_seen_by_who_makes_the_row(world: World) -> None:
    project = world.project()
    world.sandbox.complete_checkout(start(project))
    saved = world.stripe.v1.payment_methods.list({"limit": 9}).data[0].id
    completed = world.told("checkout.session.completed")
    world.sandbox.update_card_automatically(saved, exp_month=1, exp_year=2020)
    world.handle("payment_method.automatically_updated")

    store(completed)
    events.process()

    assert not method_row(saved).usable
    assert world.differences() == []


def test_adopted_card_that_the_person_brings_back_too_is_one(world: World) -> None:
    project = world.project()
    mine = world.card(project)
    session_id = start(project)
    world.sandbox.complete_checkout(session_id, card=AMEX)

    world.handle("payment_method.attached")
    adopted = order(project)
    completion = payment_methods.complete(project, session_id)
    world.handle()

    assert adopted[0] == mine.stripe_id
    assert order(project) == adopted
    assert completion.payment_method.stripe_id == adopted[1]
    assert world.differences() == []


@pytest.mark.parametrize("adopted", [False, True], ids=["saved", "adopted"])
def test_change_between_the_look_and_our_commit_is_seen_by_a_second_look(
    world: World, adopted: bool
) -> None:
    """What it is told of came when no row was there, and is gone."""
    project = world.project()
    if adopted:
        world.card(project)
        world.attach(project)
    else:
        world.sandbox.complete_checkout(start(project))
    told = world.told("payment_method.attached" if adopted else "checkout.session.completed")

    def expire(mapper: Any, connection: Any, row: PaymentMethod) -> None:
        world.sandbox.update_card_automatically(row.stripe_id, exp_month=1, exp_year=2020)

    listening.listen(PaymentMethod, "after_insert", expire)
    try:
        store(told)
        events.process()
    finally:
        listening.remove(PaymentMethod, "after_insert", expire)

    assert [method.usable for method in project.payment_methods] == [True, False][not adopted :]
    assert world.differences() == []
