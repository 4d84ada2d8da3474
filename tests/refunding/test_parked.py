"""Whoever finds an invoice paid does not hide that somebody has to look at it."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest

from flask_billing import clock, collecting
from flask_billing.gateways import RemoteInvoice
from flask_billing.refunding import rows
from flask_billing.state import current
from tests.host import db
from tests.refunding.bills import Bills


def park_while_read(monkeypatch: pytest.MonkeyPatch, bills: Bills, invoice_id: UUID) -> None:
    """Have an invoice parked by somebody else while the processor answers."""
    gateway, parked_id = current().gateway, bills.stripe_id(invoice_id)
    read: Callable[[str], RemoteInvoice | None] = gateway.invoice

    def read_slowly(stripe_id: str) -> RemoteInvoice | None:
        answer = read(stripe_id)
        if stripe_id == parked_id:
            rows.park(invoice_id, "overpaid")
        return answer

    monkeypatch.setattr(gateway, "invoice", read_slowly)


def test_event_of_a_payment_leaves_it_parked(
    each_bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id, other_id = each_bills.issued(1200), each_bills.issued(800, month=7)
    for each in (invoice_id, other_id):
        each_bills.sandbox.pay_again(each_bills.stripe_id(each))
    park_while_read(monkeypatch, each_bills, invoice_id)

    for each in (invoice_id, other_id):
        collecting.observe(each_bills.stripe_id(each))

    parked, other = each_bills.collection(invoice_id), each_bills.collection(other_id)
    assert (parked.state, parked.reason) == ("parked", "overpaid")
    assert parked.invoice.state == "paid"
    assert (other.state, other.reason) == ("done", None)


def test_worker_that_finds_it_paid_leaves_it_parked(
    each_bills: Bills, monkeypatch: pytest.MonkeyPatch
) -> None:
    invoice_id = each_bills.issued(1200)
    each_bills.sandbox.pay_again(each_bills.stripe_id(invoice_id))
    each_bills.collection(invoice_id).next_try_at = clock.now()
    db.session.commit()
    park_while_read(monkeypatch, each_bills, invoice_id)

    collecting.collect()

    parked = each_bills.collection(invoice_id)
    assert (parked.state, parked.reason) == ("parked", "overpaid")
    assert (parked.invoice.state, parked.claimed_by) == ("paid", None)
