"""What happens to invoices at the processor is read and written, whoever did it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from flask_billing import Invoice, InvoicePayment, Notice, events
from flask_billing.events import ProcessReport
from flask_billing.events.money import MONEY
from tests.events.world import World, by_type, ends, made_up
from tests.host import Project, billing, db
from tests.refunding.bills import Bills


@pytest.fixture
def bills(world: World) -> Bills:
    return Bills(world)


def test_invoice_paid_on_its_page_is_paid_here(each_world: World) -> None:
    bills = Bills(each_world)
    invoice_id, other_id = bills.issued(1200), bills.issued(800, month=7)
    each_world.overhear()

    each_world.sandbox.pay_invoice(bills.stripe_id(invoice_id), card="5555555555554444")
    each_world.handle()

    assert bills.collection(invoice_id).state == "done"
    assert db.session.get_one(Invoice, invoice_id).state == "paid"
    assert db.session.get_one(Invoice, other_id).state == "open"
    [payment] = db.session.scalars(select(InvoicePayment).where(InvoicePayment.state == "paid"))
    assert (payment.invoice_id, payment.amount) == (invoice_id, 1200)
    for kind in ("invoice.paid", "invoice_payment.paid", "payment_intent.succeeded"):
        assert ends(kind) == {("processed", None)}


def test_each_of_the_events_is_enough(bills: Bills) -> None:
    for number, kind in enumerate(("invoice.paid", "invoice_payment.paid")):
        invoice_id = bills.issued(1200, month=number)
        bills.world.overhear()
        bills.sandbox.pay_invoice(bills.stripe_id(invoice_id), card="5555555555554444")

        bills.world.handle(kind)

        assert bills.collection(invoice_id).remote_state == "paid"


def test_second_payment_is_seen(bills: Bills) -> None:
    invoice_id = bills.paid(1200)
    bills.world.overhear()
    bills.sandbox.pay_again(bills.stripe_id(invoice_id))

    bills.world.handle()

    assert bills.collection(invoice_id).overpaid == 1200


def test_invoice_written_off_at_the_processor_is_so_here(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    bills.world.stripe.v1.invoices.mark_uncollectible(bills.stripe_id(invoice_id))

    bills.world.handle()

    assert db.session.get_one(Invoice, invoice_id).state == "uncollectible"


def test_invoices_and_payments_of_strangers_are_ignored(bills: Bills) -> None:
    bills.issued()
    bills.world.overhear()
    customer, method = bills.world.stranger()
    client = bills.world.stripe.v1
    made = client.invoices.create({"customer": customer, "currency": "usd"})
    line: Any = {"customer": customer, "invoice": made.id, "amount": 700, "currency": "usd"}
    client.invoice_items.create(line)
    client.invoices.finalize_invoice(made.id)
    client.invoices.pay(made.id, {"payment_method": method})

    report = bills.world.handle()

    assert report.processed == report.retried == report.failed == 0
    assert ends("invoice.paid") == ends("payment_intent.succeeded") == {("ignored", "not_ours")}
    assert {row.reason for row in by_type("invoice.finalized")} == {"not_ours"}


def test_handlers_are_told_of_invoices_that_the_host_makes_itself(bills: Bills) -> None:
    card = bills.world.card()
    told: list[Notice] = []
    billing.on("invoice.paid", name="of this test")(told.append)
    client = bills.world.stripe.v1
    customer = card.billing_info.stripe_id
    made = client.invoices.create({"customer": customer, "currency": "usd"})
    line: Any = {"customer": customer, "invoice": made.id, "amount": 700, "currency": "usd"}
    client.invoice_items.create(line)
    client.invoices.finalize_invoice(made.id)
    client.invoices.pay(made.id, {"payment_method": card.stripe_id})

    bills.world.handle()

    assert [(notice.object_id, notice.customer_id) for notice in told] == [(made.id, customer)]


def test_what_the_processor_does_not_know_is_not_ours(world: World) -> None:
    world.card()
    world.overhear()
    for number, kind in enumerate(sorted(MONEY)):
        events.store(made_up(number, type=kind, object_id=f"x_{number}", object_type="x"))

    report = events.process()

    assert report == ProcessReport(ignored=len(MONEY))


def test_renewed_card_has_unpaid_invoices_looked_at(bills: Bills) -> None:
    invoice_id = bills.issued(1200)
    project = db.session.get_one(Project, int(bills.collection(invoice_id).invoice.project_key))
    method = project.payment_methods[0]
    before, stripe_id = method.changed_at, method.stripe_id
    db.session.commit()
    bills.world.overhear()
    assert not bills.is_woken(invoice_id)

    bills.sandbox.update_card_automatically(stripe_id, exp_year=2099)
    bills.world.handle()

    db.session.refresh(method)
    assert method.changed_at != before
    assert bills.is_woken(invoice_id)


def test_new_address_has_the_invoice_looked_at_that_waits_for_it(bills: Bills) -> None:
    waiting, other = bills.issued(1200), bills.issued(800, month=7)
    row = bills.collection(waiting)
    row.needs = "address"
    db.session.commit()
    bills.world.overhear()

    for invoice_id in (waiting, other):
        customer = bills.customer(invoice_id)
        bills.world.stripe.v1.customers.update(customer, {"address": {"country": "DE"}})
    bills.world.handle()

    assert bills.is_woken(waiting)
    assert not bills.is_woken(other)
