"""What a bank asks back is known at once, and its method is not charged before staff agree."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import select

from flask_billing import (
    CollectingRefused,
    Dispute,
    PaymentMethod,
    events,
    invoice_disputed,
    refunding,
)
from tests.events.world import by_type, ends
from tests.host import Project, db
from tests.refunding.bills import MASTERCARD, Bills


def disputes() -> list[Dispute]:
    db.session.commit()
    query = select(Dispute).order_by(Dispute.created_at)
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def method_of(bills: Bills, invoice_id: UUID) -> PaymentMethod:
    project_key = bills.collection(invoice_id).invoice.project_key
    method = db.session.get_one(Project, int(project_key)).payment_methods[0]
    db.session.refresh(method)
    db.session.commit()
    return method


def test_disputed_method_is_not_charged_any_more(each_bills: Bills) -> None:
    invoice_id, other_id = each_bills.paid(1200), each_bills.paid(800, month=7, card=MASTERCARD)
    charge_id = each_bills.charges(invoice_id)[0]
    each_bills.world.overhear()
    told: list[Any] = []

    with invoice_disputed.connected_to(lambda app, **kw: told.append(kw)):
        dispute_id = each_bills.sandbox.dispute(charge_id, amount=900)
        each_bills.world.handle()

    [row] = disputes()
    assert (row.stripe_id, row.kind, row.state) == (dispute_id, "dispute", "needs_response")
    assert (row.invoice_id, row.charge_id, row.amount) == (invoice_id, charge_id, 900)
    assert (row.currency, row.reason) == ("usd", "fraudulent")
    assert row.respond_by is not None
    assert method_of(each_bills, invoice_id).refusal == "disputed"
    assert method_of(each_bills, other_id).refusal is None
    assert [(kw["invoice"].id, kw["dispute"].id) for kw in told] == [(invoice_id, row.id)]
    assert {row.state for row in by_type("charge.dispute.created")} == {"processed"}


def test_warning_of_fraud_counts_as_a_dispute(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    warning_id = bills.sandbox.warn_of_fraud(bills.charges(invoice_id)[0])

    bills.world.handle()

    [row] = disputes()
    assert (row.stripe_id, row.kind, row.state) == (warning_id, "fraud_warning", "warning")
    assert (row.invoice_id, row.amount) == (invoice_id, None)
    assert method_of(bills, invoice_id).refusal == "disputed"


def test_end_of_a_dispute_is_written_and_tells_nobody_again(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    dispute_id = bills.sandbox.dispute(bills.charges(invoice_id)[0])
    bills.world.handle()
    told: list[Any] = []

    with invoice_disputed.connected_to(lambda app, **kw: told.append(kw)):
        bills.sandbox.set_dispute_status(dispute_id, "won")
        bills.world.handle()

    assert [row.state for row in disputes()] == ["won"]
    assert told == []
    assert method_of(bills, invoice_id).refusal == "disputed"


def test_staff_let_the_method_be_charged_again_and_it_stays_so(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    dispute_id = bills.sandbox.dispute(bills.charges(invoice_id)[0])
    bills.world.handle()
    method = method_of(bills, invoice_id)
    project = db.session.get_one(Project, int(bills.collection(invoice_id).invoice.project_key))
    waiting_id = bills.issue(project, 500, month=8)
    before = method.changed_at
    assert before is not None
    assert not bills.is_woken(waiting_id)

    refunding.accept_method(method.id, made_by="42")

    assert method_of(bills, invoice_id).refusal is None
    assert method_of(bills, invoice_id).changed_at != before
    assert bills.is_woken(waiting_id)
    bills.sandbox.set_dispute_status(dispute_id, "lost")
    bills.world.handle()
    assert method_of(bills, invoice_id).refusal is None
    with pytest.raises(CollectingRefused, match="dispute"):
        refunding.accept_method(method.id)
    with pytest.raises(LookupError):
        refunding.accept_method(uuid4())


def test_refusal_for_another_reason_stays(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    method_of(bills, invoice_id).refusal = "banned"
    db.session.commit()
    bills.sandbox.dispute(bills.charges(invoice_id)[0])

    bills.world.handle()

    assert method_of(bills, invoice_id).refusal == "banned"


def test_dispute_of_a_strangers_payment_is_ignored(bills: Bills) -> None:
    bills.paid(1200)
    bills.world.overhear()
    customer, method = bills.world.stranger()
    payment: Any = {"amount": 700, "currency": "usd", "customer": customer}
    payment |= {"payment_method": method, "confirm": True, "off_session": True}
    intent = bills.world.stripe.v1.payment_intents.create(payment)
    bills.sandbox.dispute(str(intent.latest_charge))

    bills.world.handle()

    assert disputes() == []
    assert ends("charge.dispute.created") == {("ignored", "not_ours")}
    assert ends("payment_intent.succeeded") == {("ignored", "not_ours")}


def test_dispute_of_another_payment_with_our_method_stops_it_too(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    method = method_of(bills, invoice_id)
    payment: Any = {"amount": 700, "currency": "usd", "payment_method": method.stripe_id}
    payment |= {"customer": method.billing_info.stripe_id, "confirm": True, "off_session": True}
    db.session.commit()
    intent = bills.world.stripe.v1.payment_intents.create(payment)
    bills.sandbox.dispute(str(intent.latest_charge))

    bills.world.handle()

    [row] = disputes()
    assert (row.invoice_id, row.payment_method_id) == (None, method.id)
    assert method_of(bills, invoice_id).refusal == "disputed"


def test_event_told_twice_writes_one_row(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.dispute(bills.charges(invoice_id)[0])
    told: list[Any] = []

    with invoice_disputed.connected_to(lambda app, **kw: told.append(kw)):
        rows = bills.world.arrive("charge.dispute.created")
        events.process()
        events.replay([row.id for row in rows])
        events.process()

    assert len(disputes()) == len(told) == 1
