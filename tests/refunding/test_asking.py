"""What was paid goes back, whole or in parts, and never more than the processor says is left."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from flask_billing import InvoiceRefund, RefundRefused, invoice_refunded, refunding
from flask_billing.models import PaymentAttempt
from tests.host import Project, db
from tests.refunding.bills import Bills


def test_whole_payment_goes_back_with_a_credit_note(each_bills: Bills) -> None:
    invoice_id, other_id = each_bills.paid(1200), each_bills.paid(800, month=7)
    told: list[Any] = []

    with invoice_refunded.connected_to(lambda app, **kw: told.append(kw)):
        row = refunding.refund(invoice_id, reason="goodwill", made_by="42")

    assert (row.kind, row.state, row.amount) == ("refund", "succeeded", 1200)
    assert (row.reason, row.made_by, row.in_flight_marker) == ("goodwill", "42", None)
    assert each_bills.sent_back() == each_bills.credited() == [1200]
    assert row.stripe_id is not None
    assert row.credit_note_id is not None
    assert [(kw["invoice"].id, kw["refund"].id) for kw in told] == [(invoice_id, row.id)]
    assert each_bills.collection(invoice_id).credited == 1200
    assert each_bills.refunds(other_id) == []


def test_parts_go_back_one_after_the_other(bills: Bills) -> None:
    invoice_id = bills.paid(1200)

    parts = [refunding.refund(invoice_id, amount, reason="outage") for amount in (300, 400)]
    rest = refunding.refund(invoice_id, reason="outage")

    assert [row.amount for row in [*parts, rest]] == [300, 400, 500]
    assert sorted(bills.sent_back()) == [300, 400, 500]
    with pytest.raises(RefundRefused, match=r"At most 0\.00 USD"):
        refunding.refund(invoice_id, reason="outage")


def test_more_than_is_left_is_refused_before_anything_is_asked(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    refunding.refund(invoice_id, 900, reason="outage")

    with pytest.raises(RefundRefused, match=r"At most 3\.00 USD"):
        refunding.refund(invoice_id, 301, reason="outage")

    assert bills.states(invoice_id) == ["succeeded"]
    assert bills.sent_back() == [900]


def test_what_was_given_back_at_the_processor_counts(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    client = bills.world.stripe.v1
    client.credit_notes.create(
        {"invoice": bills.stripe_id(invoice_id), "amount": 700, "refund_amount": 700}
    )

    row = refunding.refund(invoice_id, reason="goodwill")

    assert row.amount == 500
    assert sorted(bills.sent_back()) == [500, 700]


def test_refund_without_a_credit_note_at_the_processor_counts_too(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    charge = bills.charges(invoice_id)[0]
    bills.world.stripe.v1.refunds.create({"charge": charge, "amount": 700})

    assert refunding.refund(invoice_id, reason="goodwill").amount == 500


def test_open_invoice_is_credited_in_part_and_then_whole(each_bills: Bills) -> None:
    invoice_id = each_bills.issued(1200)

    part = refunding.refund(invoice_id, 500, reason="outage")
    assert (part.kind, part.state, part.stripe_id) == ("credit", "succeeded", None)
    assert each_bills.collection(invoice_id).remaining == 700

    rest = refunding.refund(invoice_id, reason="outage")
    assert rest.amount == 700
    assert each_bills.collection(invoice_id).remote_state == "paid"
    assert each_bills.sent_back() == []


def test_open_invoice_whose_payment_is_under_way_is_not_credited(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    project = db.session.get_one(Project, int(bills.collection(invoice_id).invoice.project_key))
    db.session.add(
        PaymentAttempt(
            invoice_id=invoice_id,
            payment_method_id=project.payment_methods[0].id,
            amount=1200,
            currency="usd",
        )
    )
    db.session.commit()

    with pytest.raises(RefundRefused, match="under way"):
        refunding.refund(invoice_id, reason="outage")
    assert bills.credited() == []


def test_money_that_the_bank_asks_back_is_not_given_back_twice(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.dispute(bills.charges(invoice_id)[0])

    with pytest.raises(RefundRefused, match="dispute"):
        refunding.refund(invoice_id, reason="goodwill")
    assert bills.refunds(invoice_id) == []


def test_bank_that_only_asked_keeps_nobody_from_giving_back(bills: Bills) -> None:
    asked_id, closed_id = bills.paid(1200), bills.paid(800, month=7)
    bills.sandbox.dispute(bills.charges(asked_id)[0], reason="inquiry")
    closed = bills.sandbox.dispute(bills.charges(closed_id)[0], reason="inquiry")
    bills.sandbox.set_dispute_status(closed, "warning_closed")
    bills.world.handle()

    refunding.refund(asked_id, reason="goodwill")
    refunding.refund(closed_id, reason="goodwill")

    assert bills.sent_back() == [1200, 800]


def test_money_that_the_bank_took_back_in_the_end_is_not_given_back(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    dispute_id = bills.sandbox.dispute(bills.charges(invoice_id)[0])
    bills.sandbox.set_dispute_status(dispute_id, "lost")
    bills.world.handle()

    with pytest.raises(RefundRefused, match="has taken it back"):
        refunding.refund(invoice_id, reason="goodwill")
    assert bills.refunds(invoice_id) == []


def test_invoice_that_was_paid_in_parts_goes_back_in_parts(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    for part in (500, 700):
        bills.sandbox.pay_again(bills.stripe_id(invoice_id), amount=part)

    first = refunding.refund(invoice_id, reason="goodwill")
    second = refunding.refund(invoice_id, reason="goodwill")

    assert (first.state, second.state) == ("succeeded", "succeeded")
    assert bills.sent_back() == bills.credited() == [700, 500]
    with pytest.raises(RefundRefused, match="At most 0"):
        refunding.refund(invoice_id, reason="goodwill")


def test_void_invoice_has_nothing_to_give_back(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    bills.world.stripe.v1.invoices.void_invoice(bills.stripe_id(invoice_id))

    with pytest.raises(RefundRefused, match="void"):
        refunding.refund(invoice_id, reason="goodwill")


def test_invoice_paid_out_of_band_has_no_payment_to_give_back(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    bills.sandbox.pay_out_of_band(bills.stripe_id(invoice_id))

    with pytest.raises(RefundRefused, match="At most 0"):
        refunding.refund(invoice_id, reason="goodwill")


def test_second_refund_waits_for_the_first(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.sandbox.fail("POST /v1/credit_notes", how="timeout_before", times=3)
    first = refunding.refund(invoice_id, 300, reason="outage")
    assert first.state == "sending"

    with pytest.raises(RefundRefused, match="under way"):
        refunding.refund(invoice_id, 300, reason="outage")
    assert len(bills.refunds(invoice_id)) == 1


@pytest.mark.parametrize(
    ("amount", "reason", "made_by"),
    [
        (0, "goodwill", None),
        (-1, "goodwill", None),
        (True, "goodwill", None),
        (1, "Good will", None),
        (1, "goodwill", "ada@example.com"),
    ],
)
def test_nonsense_is_refused(bills: Bills, amount: int, reason: str, made_by: str | None) -> None:
    invoice_id = bills.paid(1200)

    with pytest.raises(ValueError):  # noqa: PT011 - which of them is in the test's id
        refunding.refund(invoice_id, amount, reason=reason, made_by=made_by)
    assert bills.refunds(invoice_id) == []


def test_unknown_invoice_is_no_refund(bills: Bills) -> None:
    with pytest.raises(LookupError):
        refunding.refund(uuid4(), reason="goodwill")


def test_nothing_of_a_person_is_written(bills: Bills) -> None:
    invoice_id = bills.paid(1200)

    row = refunding.refund(invoice_id, reason="goodwill", made_by="42")

    columns = InvoiceRefund.__table__.columns
    texts = [str(getattr(row, column.key)) for column in columns]
    assert not [text for text in texts if "@" in text]
