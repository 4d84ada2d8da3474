"""What becomes of a refund later is written, whoever decides it, and a failure is told."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_billing import invoice_refund_failed, invoice_refunded, refunding
from tests.events.world import MovedClock, ends
from tests.refunding.bills import Bills

PENDING, FAILS_LATER = "4000000000007726", "4000000000005126"


def test_refund_that_a_bank_has_under_way_is_followed_by_its_events(each_bills: Bills) -> None:
    invoice_id = each_bills.paid(1200, card=PENDING)
    told: list[Any] = []

    with invoice_refunded.connected_to(lambda app, **kw: told.append(kw)):
        row = refunding.refund(invoice_id, reason="goodwill")
        assert (row.state, row.in_flight_marker) == ("pending", None)
        each_bills.sandbox.advance(4000)
        each_bills.world.handle()

    assert each_bills.states(invoice_id) == ["succeeded"]
    assert len(told) == 1


def test_refund_that_a_bank_has_under_way_is_followed_by_the_sweeper(
    bills: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = bills.paid(1200, card=PENDING)
    refunding.refund(invoice_id, reason="goodwill")

    assert refunding.sweep().waiting == 0
    bills.sandbox.advance(4000)
    moved_clock.advance(minutes=61)
    assert refunding.sweep().settled == 1

    assert bills.states(invoice_id) == ["succeeded"]


def test_refund_that_fails_later_is_told_once(each_bills: Bills) -> None:
    invoice_id = each_bills.paid(1200, card=FAILS_LATER)
    row = refunding.refund(invoice_id, reason="goodwill")
    assert row.state == "succeeded"
    told: list[Any] = []

    with invoice_refund_failed.connected_to(lambda app, **kw: told.append(kw["refund"].id)):
        each_bills.sandbox.advance(4000)
        each_bills.world.handle()
        assert row.stripe_id is not None
        refunding.observe_refund(row.stripe_id)

    [row] = each_bills.refunds(invoice_id)
    assert (row.state, row.code) == ("failed", "expired_or_canceled_card")
    assert told == [row.id]


def test_event_settles_what_nobody_knew(bills: Bills, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "_should_retry", lambda *args, **kw: False)
    invoice_id = bills.paid(1200)
    bills.sandbox.fail("POST /v1/credit_notes", how="timeout_after")
    assert refunding.refund(invoice_id, 500, reason="outage").state == "sending"

    bills.world.handle()

    assert bills.states(invoice_id) == ["succeeded"]
    assert bills.sent_back() == [500]


def test_credit_note_that_staff_makes_void_is_written(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    row = refunding.refund(invoice_id, 500, reason="outage")
    assert row.credit_note_id is not None
    bills.world.stripe.v1.credit_notes.void_credit_note(row.credit_note_id)

    bills.world.handle()

    assert bills.states(invoice_id) == ["canceled"]
    assert bills.collection(invoice_id).remaining == 1200


def test_what_staff_gave_back_at_the_processor_is_seen(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    client = bills.world.stripe.v1
    client.credit_notes.create(
        {"invoice": bills.stripe_id(invoice_id), "amount": 700, "refund_amount": 700}
    )

    bills.world.handle()

    assert bills.collection(invoice_id).credited == 700
    assert bills.refunds(invoice_id) == []
    assert ends("refund.created") == ends("credit_note.created") == {("processed", None)}


def test_refund_of_a_stranger_is_ignored(bills: Bills) -> None:
    bills.paid(1200)
    bills.world.overhear()
    customer, method = bills.world.stranger()
    payment: Any = {"amount": 700, "currency": "usd", "customer": customer}
    payment |= {"payment_method": method, "confirm": True, "off_session": True}
    intent = bills.world.stripe.v1.payment_intents.create(payment)
    bills.world.stripe.v1.refunds.create({"payment_intent": intent.id})

    bills.world.handle()

    for kind in ("refund.created", "charge.refunded", "payment_intent.succeeded"):
        assert ends(kind) == {("ignored", "not_ours")}
