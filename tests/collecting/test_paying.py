"""Closed invoices are issued, and charged to the methods in their owner's order."""

from __future__ import annotations

from flask import Flask

from flask_billing import collecting
from flask_billing.sandbox import Sandbox
from tests.collecting import world


def test_closed_invoice_is_issued_and_paid(anywhere: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
    other = world.new_owner(stripe_sandbox, world.MASTERCARD)
    first = world.new_invoice(owner, 1000, 234)
    second = world.new_invoice(other, 500)

    report = collecting.collect()

    assert (report.issued, report.paid) == (2, 2)
    assert [world.invoice(each).state for each in (first, second)] == ["paid", "paid"]
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [1234]
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [500]
    row = world.collection(first)
    assert (row.state, row.total, row.paid, row.remaining) == ("done", 1234, 1234, 0)
    assert world.states(first) == ["succeeded"]
    assert world.notes(first) == ["receipt"]
