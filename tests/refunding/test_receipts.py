"""A receipt says what was paid, and not what was given away."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from flask_billing import Notification, refunding
from tests.host import db
from tests.refunding.bills import Bills


def told(invoice_id: UUID) -> set[int | None]:
    """The amounts of an invoice's receipts."""
    db.session.commit()
    query = select(Notification.amount).where(
        Notification.invoice_id == invoice_id, Notification.kind == "receipt"
    )
    return set(db.session.scalars(query))


def test_what_was_credited_before_was_not_paid(bills: Bills) -> None:
    whole_id, part_id = bills.paid(800, month=7), bills.issued(1200)

    refunding.refund(part_id, 500, reason="outage")
    bills.pay(part_id)

    assert told(part_id) == {700}
    assert told(whole_id) == {800}


def test_invoice_that_was_credited_whole_has_no_receipt(bills: Bills) -> None:
    invoice_id = bills.issued(1200)

    refunding.refund(invoice_id, reason="outage")

    assert bills.collection(invoice_id).invoice.state == "paid"
    assert told(invoice_id) == set()


def test_what_went_back_before_anybody_looked_was_paid_all_the_same(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    stripe_id = bills.stripe_id(invoice_id)
    bills.sandbox.pay_again(stripe_id)
    note = {"invoice": stripe_id, "amount": 1200, "refund_amount": 1200}
    bills.world.stripe.v1.credit_notes.create(note)  # type: ignore[arg-type]

    bills.world.handle()

    assert told(invoice_id) == {1200}


def test_what_the_customers_credit_paid_was_paid(bills: Bills) -> None:
    project = bills.world.project()
    bills.world.card(project)
    customer = project.billing_info.stripe_id
    change = {"amount": -500, "currency": "usd"}
    bills.world.stripe.v1.customers.balance_transactions.create(customer, change)  # type: ignore[arg-type]

    invoice_id = bills.issue(project, 1200)
    bills.pay(invoice_id)

    assert bills.collection(invoice_id).paid == 700
    assert told(invoice_id) == {1200}
