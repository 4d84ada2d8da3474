"""An outcome that nobody knows is found out before anything is sent again: nothing goes back twice.

The three steps: read what came of it; repeat under the same key while it lives; else wait ten
minutes, read again, and send another row under a key of its own.
"""

from __future__ import annotations

from uuid import UUID

import pytest
import stripe

from flask_billing import RefundRefused, refunding
from flask_billing.models import InvoiceRefund
from tests.events.world import MovedClock
from tests.host import db
from tests.refunding.bills import Bills

CREATE = "POST /v1/credit_notes"


def keys(bills: Bills, path: str = "/v1/credit_notes") -> list[str]:
    """The idempotency keys of what was sent, each once, in order."""
    sent = [str(request.idempotency_key) for request in bills.sandbox.requests.of(f"POST {path}")]
    return list(dict.fromkeys(sent))


@pytest.fixture(autouse=True)
def _no_repetitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK repeats what failed, and mostly finds out what came of it; here it does not."""
    monkeypatch.setattr(stripe.HTTPClient, "_should_retry", lambda *args, **kw: False)


def ask(bills: Bills, invoice_id: UUID) -> InvoiceRefund:
    row = refunding.refund(invoice_id, 500, reason="outage")
    assert row.state == "sending"
    return row


@pytest.mark.parametrize("how", ["timeout_before", "timeout_after", "error_500_after"])
def test_outcome_is_found_out_by_the_sweeper(
    each_bills: Bills, moved_clock: MovedClock, how: str
) -> None:
    invoice_id = each_bills.paid(1200)
    each_bills.sandbox.fail(CREATE, how=how)
    row = ask(each_bills, invoice_id)

    moved_clock.advance(minutes=11)
    report = refunding.sweep()

    db.session.refresh(row)
    assert (row.state, row.in_flight_marker) == ("succeeded", None)
    assert (report.settled, report.errors) == (1, 0)
    assert each_bills.sent_back() == each_bills.credited() == [500]
    assert keys(each_bills) == [f"refund-{row.id}"]


def test_sweeper_leaves_what_somebody_is_at_work_on(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="timeout_before")
    ask(bills, invoice_id)
    db.session.execute(
        InvoiceRefund.__table__.update().values(next_try_at=InvoiceRefund.created_at)
    )
    db.session.commit()

    assert refunding.sweep().settled == 1
    assert refunding.due_count() == 0


def test_key_that_repeats_an_error_is_left_behind_after_ten_minutes(
    bills: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="error_500")
    first = ask(bills, invoice_id)
    assert first.code == "server_error"

    moved_clock.advance(minutes=5)
    refunding.sweep()
    assert bills.states(invoice_id) == ["sending"]
    moved_clock.advance(minutes=11)
    refunding.sweep()

    old, new = bills.refunds(invoice_id)
    assert (old.state, new.state) == ("not_executed", "succeeded")
    assert (new.amount, new.reason) == (500, "outage")
    assert bills.sent_back() == [500]
    assert keys(bills) == [f"refund-{old.id}", f"refund-{new.id}"]


def test_key_is_not_repeated_once_it_may_be_forgotten(
    bills: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="timeout_after")
    row = ask(bills, invoice_id)

    moved_clock.advance(hours=24)
    bills.sandbox.advance(25 * 3600)
    refunding.sweep()

    db.session.refresh(row)
    assert row.state == "succeeded"
    assert bills.sent_back() == [500]


def test_after_a_day_without_a_trace_another_row_is_sent(
    bills: Bills, moved_clock: MovedClock
) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="timeout_before")
    ask(bills, invoice_id)

    moved_clock.advance(hours=24)
    bills.sandbox.advance(25 * 3600)
    refunding.sweep()

    assert bills.states(invoice_id) == ["not_executed", "succeeded"]
    assert len(keys(bills)) == 2
    assert bills.sent_back() == [500]


def test_outage_of_days_loses_nothing(bills: Bills, moved_clock: MovedClock) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="timeout_before")
    ask(bills, invoice_id)

    bills.sandbox.begin_outage()
    for _ in range(3):
        moved_clock.advance(hours=20)
        assert refunding.sweep().settled == 0
    bills.sandbox.end_outage()
    moved_clock.advance(minutes=11)
    refunding.sweep()

    assert bills.states(invoice_id)[-1] == "succeeded"
    assert bills.sent_back() == [500]
    assert refunding.stuck() == []


def test_refusal_of_what_nobody_knew_is_written(bills: Bills, moved_clock: MovedClock) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="timeout_before")
    row = ask(bills, invoice_id)
    charge = bills.charges(invoice_id)[0]
    bills.world.stripe.v1.refunds.create({"charge": charge})

    moved_clock.advance(minutes=11)
    refunding.sweep()

    db.session.refresh(row)
    assert (row.state, row.in_flight_marker) == ("refused", None)
    assert row.code is not None
    assert bills.sent_back() == [1200]


def test_refusal_is_told_to_who_asked(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail(CREATE, how="refuse")

    with pytest.raises(RefundRefused, match="nothing was done"):
        refunding.refund(invoice_id, 500, reason="outage")
    assert bills.states(invoice_id) == ["refused"]
    assert refunding.refund(invoice_id, 500, reason="outage").state == "succeeded"
