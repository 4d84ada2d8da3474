"""Whoever gives back at the same moment, everything goes back once."""

from __future__ import annotations

from collections import Counter

import pytest

from flask_billing import RefundRefused, refunding
from tests.at_once import at_once
from tests.events.world import MovedClock
from tests.refunding.bills import Bills

pytestmark = [pytest.mark.database, pytest.mark.concurrency]


def test_of_two_who_give_the_same_back_one_wins(crowded: Bills) -> None:
    invoice_id = crowded.paid(1200)

    outcomes = at_once(
        crowded.world.app,
        *[lambda: refunding.refund(invoice_id, reason="goodwill").id] * 3,
    )

    kinds = Counter(type(outcome) for outcome in outcomes)
    assert kinds[RefundRefused] == 2, outcomes
    assert crowded.sent_back() == crowded.credited() == [1200]
    assert crowded.states(invoice_id).count("succeeded") == 1


def test_overpayment_goes_back_once_though_four_sweep(crowded: Bills) -> None:
    first, second = crowded.paid_twice(1200), crowded.paid_twice(800)

    outcomes = at_once(crowded.world.app, *[refunding.sweep] * 4)

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert sorted(crowded.sent_back()) == [800, 1200]
    assert crowded.balance(first) == crowded.balance(second) == 0
    assert crowded.states(first) == crowded.states(second) == ["succeeded"]


def test_unknown_outcome_is_settled_once_though_four_sweep(
    crowded: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = crowded.paid(1200)
    crowded.sandbox.fail("POST /v1/credit_notes", how="error_500")
    assert refunding.refund(invoice_id, 500, reason="outage").state == "sending"

    moved_clock.advance(minutes=11)
    outcomes = at_once(crowded.world.app, *[refunding.sweep] * 4)

    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert crowded.states(invoice_id) == ["not_executed", "succeeded"]
    assert crowded.sent_back() == [500]
    assert [row.in_flight_marker for row in crowded.refunds(invoice_id)] == [None, None]
