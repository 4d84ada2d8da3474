"""What was given back can be looked up, and what of it needs somebody is named."""

from __future__ import annotations

from datetime import timedelta

import pytest
import stripe

from flask_billing import refunding
from tests.events.world import MovedClock
from tests.refunding.bills import Bills

FAILS_LATER, PENDING = "4000000000005126", "4000000000007726"


def test_refunds_of_an_invoice_are_listed_in_their_order(bills: Bills) -> None:
    invoice_id, other_id = bills.paid(1200), bills.paid(800, month=7)
    for amount in (300, 200):
        refunding.refund(invoice_id, amount, reason="outage")
    refunding.refund(other_id, reason="outage")

    assert [row.amount for row in refunding.refunds_of(invoice_id)] == [300, 200]
    assert [row.amount for row in refunding.refunds_of(other_id)] == [800]


def test_outcome_that_nobody_knows_for_an_hour_is_named(
    bills: Bills, moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "_should_retry", lambda *args, **kw: False)
    invoice_id, good_id = bills.paid(1200), bills.paid(800, month=7)
    bills.sandbox.fail("POST /v1/credit_notes", how="timeout_before")
    row = refunding.refund(invoice_id, 300, reason="outage")
    refunding.refund(good_id, reason="outage")
    assert refunding.stuck() == []
    assert refunding.due_count() == 0

    moved_clock.advance(minutes=61)

    [found] = refunding.stuck()
    assert (found.kind, found.id, found.state) == ("refund", row.id, "sending")
    assert found.since == row.created_at
    assert refunding.due_count() == 1


def test_refund_that_a_bank_has_for_two_weeks_is_named(
    bills: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = bills.paid(1200, card=PENDING)
    refunding.refund(invoice_id, reason="outage")

    moved_clock.advance(days=13)
    assert refunding.stuck() == []
    moved_clock.advance(days=2)

    assert [found.state for found in refunding.stuck()] == ["pending"]


def test_refund_that_failed_is_named_for_a_month(bills: Bills, moved_clock: MovedClock) -> None:
    invoice_id = bills.paid(1200, card=FAILS_LATER)
    row = refunding.refund(invoice_id, reason="outage")
    bills.sandbox.advance(timedelta(hours=2).total_seconds())
    assert row.stripe_id is not None
    refunding.observe_refund(row.stripe_id)

    [found] = refunding.stuck()
    assert (found.id, found.state) == (row.id, "failed")
    moved_clock.advance(days=31)
    assert refunding.stuck() == []


def test_of_many_refunds_that_failed_the_oldest_are_returned_and_all_are_counted(
    bills: Bills, moved_clock: MovedClock
) -> None:
    for month in (6, 7, 8):
        row = refunding.refund(bills.paid(1200, card=FAILS_LATER, month=month), reason="outage")
        bills.sandbox.advance(timedelta(hours=2).total_seconds())
        assert row.stripe_id is not None
        moved_clock.advance(hours=1)
        refunding.observe_refund(row.stripe_id)

    found = refunding.stuck(limit=2)

    assert found == refunding.stuck()[:2]
    assert [each.alike for each in found] == [3, 3]
