"""What was paid twice goes back once, and so does the credit that the processor gave for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
import stripe
from sqlalchemy import event

from flask_billing import (
    InvoiceCollection,
    RefundRefused,
    invoice_parked,
    invoice_refunded,
    refunding,
)
from flask_billing.models import InvoiceRefund
from flask_billing.refunding.overpayments import note_another
from tests.events.world import MovedClock
from tests.host import db
from tests.refunding.bills import Bills

REFUND = "POST /v1/refunds"
BALANCE = "POST /v1/customers/*/balance_transactions"


def intents(bills: Bills) -> list[str]:
    """The payment intents that money went back to."""
    return [refund["payment_intent"] for refund in bills.sandbox.objects("refund")]


def sums(bills: Bills, invoice_id: UUID) -> tuple[list[int], int]:
    """What went back, and what the customer has left as credit."""
    return bills.sent_back(), bills.balance(invoice_id)


def test_later_payment_goes_back_once_and_its_credit_is_taken_back(each_bills: Bills) -> None:
    invoice_id, other_id = each_bills.paid_twice(1200), each_bills.paid(800, month=7)
    assert each_bills.balance(invoice_id) == -1200
    told: list[Any] = []

    with invoice_refunded.connected_to(lambda app, **kw: told.append(kw["refund"].kind)):
        first, second = refunding.sweep(), refunding.sweep()

    [row] = each_bills.refunds(invoice_id)
    assert (row.kind, row.state, row.amount) == ("overpayment", "succeeded", 1200)
    assert row.balance_transaction_id is not None
    assert sums(each_bills, invoice_id) == ([1200], 0)
    assert intents(each_bills) == [row.intent_id]
    assert each_bills.credited() == []
    assert (first.given_back, second.given_back) == (1, 0)
    assert told == ["overpayment"]
    remote = each_bills.world.stripe.v1.invoices.retrieve(each_bills.stripe_id(invoice_id))
    assert remote.status == "paid"
    assert each_bills.refunds(other_id) == []


def test_refund_waits_until_the_overpayment_is_given_back(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)

    with pytest.raises(RefundRefused, match="paid too much"):
        refunding.refund(invoice_id, reason="goodwill")
    refunding.sweep()
    refunding.refund(invoice_id, reason="goodwill")

    assert bills.sent_back() == [1200, 1200]
    assert bills.credited() == [1200]
    assert len(set(intents(bills))) == 2


def test_credit_that_was_used_parks_the_invoice_and_nothing_goes_back(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    use: Any = {"amount": 500, "currency": "usd"}
    customer = bills.customer(invoice_id)
    bills.world.stripe.v1.customers.balance_transactions.create(customer, use)
    told: list[str] = []

    with invoice_parked.connected_to(lambda app, **kw: told.append(kw["reason"])):
        refunding.sweep()
        refunding.sweep()

    [row] = bills.refunds(invoice_id)
    assert (row.state, row.code) == ("refused", "credit_used")
    assert sums(bills, invoice_id) == ([], -700)
    parked = bills.collection(invoice_id)
    assert (parked.state, parked.reason) == ("parked", "overpaid")
    assert told == ["overpaid"]


def test_disputed_payment_is_not_given_back(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    bills.sandbox.dispute(bills.charges(invoice_id)[1])

    refunding.sweep()

    assert [(r.state, r.code) for r in bills.refunds(invoice_id)] == [("refused", "disputed")]
    assert bills.sent_back() == []
    assert bills.collection(invoice_id).state == "parked"


def test_what_somebody_gave_back_at_the_processor_is_not_given_back_again(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    bills.world.stripe.v1.refunds.create({"charge": bills.charges(invoice_id)[1]})

    refunding.sweep()

    [row] = bills.refunds(invoice_id)
    assert (row.state, row.code) == ("refused", "refunded_elsewhere")
    assert bills.sent_back() == [1200]


@pytest.mark.parametrize("call", [REFUND, BALANCE])
@pytest.mark.parametrize("how", ["timeout_before", "timeout_after", "error_500", "error_500_after"])
def test_unknown_outcome_is_found_out(
    bills: Bills, moved_clock: MovedClock, monkeypatch: pytest.MonkeyPatch, call: str, how: str
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "_should_retry", lambda *args, **kw: False)
    invoice_id = bills.paid_twice(1200)
    bills.sandbox.fail(call, how=how)
    refunding.sweep()
    assert bills.states(invoice_id) == ["sending"]

    for _ in range(3):
        moved_clock.advance(minutes=11)
        refunding.sweep()

    assert bills.states(invoice_id)[-1] == "succeeded"
    assert set(bills.states(invoice_id)[:-1]) <= {"not_executed"}
    assert sums(bills, invoice_id) == ([1200], 0)


def test_rows_from_an_older_backup_give_nothing_back_again(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    refunding.sweep()
    db.session.execute(InvoiceRefund.__table__.delete())
    db.session.execute(InvoiceCollection.__table__.update().values(overpaid=1200))
    db.session.commit()

    refunding.sweep()

    [row] = bills.refunds(invoice_id)
    assert row.state == "succeeded"
    assert sums(bills, invoice_id) == ([1200], 0)


def test_backup_between_refund_and_balance_is_brought_to_its_end(
    bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stripe.HTTPClient, "_should_retry", lambda *args, **kw: False)
    invoice_id = bills.paid_twice(1200)
    bills.sandbox.fail(BALANCE, how="timeout_before")
    refunding.sweep()
    db.session.execute(InvoiceRefund.__table__.delete())
    db.session.commit()

    refunding.sweep()

    assert bills.states(invoice_id) == ["succeeded"]
    assert sums(bills, invoice_id) == ([1200], 0)


def test_overpayment_whose_refund_fails_later_is_parked(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    refunding.sweep()
    [row] = bills.refunds(invoice_id)
    assert row.stripe_id is not None
    bills.sandbox.set_refund_status(row.stripe_id, "failed")

    assert refunding.observe_refund(row.stripe_id)

    assert bills.states(invoice_id) == ["failed"]
    assert bills.collection(invoice_id).reason == "overpaid"


def test_overpayment_that_the_processor_knows_nothing_of_is_asked_for_once(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    db.session.execute(InvoiceCollection.__table__.update().values(overpaid=1200))
    db.session.commit()

    refunding.sweep()

    assert bills.collection(invoice_id).overpaid == 0
    assert refunding.due_count() == 0
    assert bills.refunds(invoice_id) == []


# Paid once more, after the one overpayment that is given back by itself


def outcomes(bills: Bills, invoice_id: UUID) -> list[tuple[str, str | None, int]]:
    return [(row.state, row.code, row.amount) for row in bills.refunds(invoice_id)]


def test_what_is_paid_once_more_is_left_to_somebody_and_told_once(each_bills: Bills) -> None:
    invoice_id = each_bills.paid_twice(1200)
    refunding.sweep()
    each_bills.pay_again(invoice_id)
    told: list[str] = []

    with invoice_parked.connected_to(lambda app, **kw: told.append(kw["reason"])):
        first, second = refunding.sweep(), refunding.sweep()

    given_back, again = outcomes(each_bills, invoice_id)
    assert given_back == ("succeeded", None, 1200)
    assert again == ("refused", "paid_again", 1200)
    assert sums(each_bills, invoice_id) == ([1200], -1200)
    parked = each_bills.collection(invoice_id)
    assert (parked.state, parked.reason) == ("parked", "overpaid")
    assert told == ["overpaid"]
    assert (first.settled, first.given_back, second) == (1, 0, refunding.RefundReport())


def test_each_payment_more_is_noted_by_what_it_is(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    refunding.sweep()

    for amount in (1200, 300):
        bills.pay_again(invoice_id, amount)
        refunding.sweep()

    assert outcomes(bills, invoice_id)[1:] == [
        ("refused", "paid_again", 1200),
        ("refused", "paid_again", 300),
    ]
    assert refunding.due_count() == 0


def test_what_could_not_be_given_back_is_not_noted_as_paid_again(bills: Bills) -> None:
    invoice_id = bills.paid_twice(1200)
    bills.sandbox.dispute(bills.charges(invoice_id)[1])

    refunding.sweep()

    assert note_another(invoice_id) is False
    assert outcomes(bills, invoice_id) == [("refused", "disputed", 1200)]


def test_nothing_is_noted_where_nothing_is_paid_again(bills: Bills) -> None:
    invoice_id, other_id = bills.paid(1200), bills.paid_twice(800)
    refunding.sweep()

    assert refunding.give_back_overpayment(invoice_id) is None
    assert [note_another(each) for each in (invoice_id, other_id)] == [False, False]
    assert bills.refunds(invoice_id) == []
    assert outcomes(bills, other_id) == [("succeeded", None, 800)]


def test_second_payment_goes_back_though_the_first_was_credited(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    refunding.refund(invoice_id, 500, reason="outage")
    [first] = intents(bills)
    again = bills.pay_again(invoice_id)

    refunding.sweep()

    credited, overpaid = bills.refunds(invoice_id)
    assert (credited.kind, credited.state, credited.amount) == ("refund", "succeeded", 500)
    assert (overpaid.kind, overpaid.state, overpaid.amount) == ("overpayment", "succeeded", 1200)
    assert intents(bills) == [first, again]
    assert first != again
    assert sums(bills, invoice_id) == ([500, 1200], 0)


def test_second_payment_goes_back_though_somebody_gave_the_first_one_back(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.world.stripe.v1.refunds.create({"charge": bills.charges(invoice_id)[0]})
    again = bills.pay_again(invoice_id)

    refunding.sweep()

    [row] = bills.refunds(invoice_id)
    assert (row.state, row.amount, row.intent_id) == ("succeeded", 1200, again)
    assert sums(bills, invoice_id) == ([1200, 1200], 0)


def test_of_two_payments_in_one_second_the_later_one_goes_back(bills: Bills) -> None:
    bills.sandbox.clock.freeze()
    invoice_id = bills.paid(1200)
    again = bills.pay_again(invoice_id)

    refunding.sweep()

    assert intents(bills) == [again]


def test_nobody_walks_through_all_invoices_to_find_what_is_due(bills: Bills) -> None:
    bills.paid_twice(1200)
    asked: list[tuple[str, Any]] = []

    def listen(connection: Any, cursor: Any, statement: str, values: Any, *rest: Any) -> None:
        asked.append((statement, values))

    event.listen(db.engine, "before_cursor_execute", listen)
    assert refunding.due_count() == 1
    event.remove(db.engine, "before_cursor_execute", listen)

    connection = db.session.connection()
    plans = [
        connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", values) for sql, values in asked
    ]
    steps = [row[3] for plan in plans for row in plan]
    assert len(asked) == 2
    assert not [step for step in steps if step.startswith("SCAN billing_")]
