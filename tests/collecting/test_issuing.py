"""What is issued at the processor: our lines, our sum, its tax; parked where that differs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask import Flask

from flask_billing import collecting, sync, waking
from flask_billing.errors import GatewayRefusal
from flask_billing.ids import uuid7
from flask_billing.metering import registry
from flask_billing.projects import connection
from flask_billing.rates import Rate
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.collecting import world
from tests.collecting.conftest import Time
from tests.host import Machine, Project, create_app, db


def lines(sandbox: Sandbox, invoice_id: Any) -> list[Any]:
    stripe_id = world.collection(invoice_id).stripe_id or ""
    found = world.client(sandbox).v1.invoices.line_items.list(stripe_id, {"limit": 100})
    return list(found.auto_paging_iter())


def test_lines_carry_our_ids_and_the_credit_is_one_of_them(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 1000, 0, 234, credit=34)

    collecting.collect()

    found = lines(stripe_sandbox, invoice_id)
    assert sorted(line.amount for line in found) == [-34, 234, 1000]
    names = {line.metadata["flask_billing_id"] for line in found}
    assert "credit" in names
    assert len(names) == 3
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [1200]


@pytest.fixture
def priced(sqlite_url: str, stripe_sandbox: Sandbox) -> Iterator[Rate]:
    """A host with rates; one of them is kept as what was used."""
    app = create_app(
        sqlite_url,
        STRIPE_SECRET_KEY=stripe_sandbox.secret_key,
        STRIPE_API_BASE=stripe_sandbox.url,
        BILLING_RATES="rates.toml",
    )
    with app.app_context():
        db.create_all()
        rate = current().settings.rates.at("machine.small", "usd", world.SEPTEMBER)
        assert rate is not None
        registry.ensure(connection(), [rate])
        db.session.commit()
        yield rate


def test_lines_are_called_as_on_our_pages_and_never_by_a_name_that_a_person_chose(
    priced: Rate, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Machine, "billing_label", "Grace's laptop", raising=False)
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 1000, 234)
    world.set_rate(invoice_id, priced)

    collecting.collect()

    assert [line.description for line in lines(stripe_sandbox, invoice_id)] == [
        "Usage: Small machine (Machine 1, compute)",
        "Usage: Small machine (Machine 2, compute)",
    ]


def test_rate_that_the_file_has_no_more_goes_by_its_name(
    priced: Rate, stripe_sandbox: Sandbox
) -> None:
    gone = replace(priced, id=uuid7(), name="machine.tiny")
    registry.ensure(connection(), [gone])
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, *[10] * 300)
    world.group(invoice_id, 1800, 1200)
    world.set_rate(invoice_id, gone)

    collecting.collect()

    words = {line.description for line in lines(stripe_sandbox, invoice_id)}
    assert words == {"Usage: machine.tiny"}


def test_many_lines_are_grouped(app: Flask, stripe_sandbox: Sandbox) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    many = world.new_invoice(owner, *[10] * 300)
    world.group(many, 1800, 1200)

    collecting.collect()

    assert sorted(line.amount for line in lines(stripe_sandbox, many)) == [1200, 1800]
    assert world.invoice(many).state == "paid"


def test_very_many_groups_become_one_line_for_each_kind(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    many = world.new_invoice(owner, *[10] * 300)
    world.group(many, *[10] * 300)

    collecting.collect()

    assert [line.amount for line in lines(stripe_sandbox, many)] == [3000]
    assert world.invoice(many).state == "paid"


@pytest.mark.parametrize(("currency", "amount"), [("jpy", 1234), ("kwd", 12340), ("eur", 50)])
def test_amounts_are_the_same_in_every_currency(
    app: Flask, stripe_sandbox: Sandbox, currency: str, amount: int
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, amount, currency=currency)

    collecting.collect()

    [charge] = world.charges(stripe_sandbox, owner)
    assert (charge.amount, charge.currency) == (amount, currency)
    assert world.collection(invoice_id).paid == amount


def test_draft_that_comes_to_something_else_is_parked_and_goes_on_once_it_is_mended(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 1000)
    stripe_sandbox.fail("POST /v1/invoices/*/add_lines", how="timeout_before", times=3)
    collecting.collect()
    processor = world.client(stripe_sandbox)
    stripe_id = world.collection(invoice_id).stripe_id or ""
    item = processor.v1.invoice_items.create(
        {"customer": owner.customer_id, "invoice": stripe_id, "amount": 1, "currency": "usd"}
    )
    time.pass_by(minutes=2)
    collecting.collect()
    assert world.collection(invoice_id).reason == "amount_differs"
    assert world.charges(stripe_sandbox, owner) == []

    processor.v1.invoice_items.delete(item.id)
    collecting.unpark(invoice_id, made_by="1")
    collecting.collect()

    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [1000]


def with_tax(app: Flask) -> None:
    object.__setattr__(current().settings, "automatic_tax", True)


def test_tax_is_added_and_read_back(app: Flask, stripe_sandbox: Sandbox) -> None:
    with_tax(app)
    owner = world.new_owner(stripe_sandbox, world.VISA, country="DE")
    invoice_id = world.new_invoice(owner, 1000)

    collecting.collect()

    row = world.collection(invoice_id)
    assert (row.tax, row.total, row.tax_state) == (190, 1190, "complete")
    assert [charge.amount for charge in world.charges(stripe_sandbox, owner)] == [1190]


def test_credit_is_taken_off_the_lines_where_the_processor_adds_tax(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    with_tax(app)
    owner = world.new_owner(stripe_sandbox, world.VISA, country="DE")
    invoice_id = world.new_invoice(owner, 1000, 700, 400, credit=600)

    collecting.collect()

    row = world.collection(invoice_id)
    lines = world.client(stripe_sandbox).v1.invoices.line_items.list(row.stripe_id or "").data
    assert sorted(line.amount for line in lines) == [500, 1000]
    assert (row.tax, row.total, row.state) == (285, 1785, "done")


def test_address_that_tax_needs_is_asked_for_and_mended(
    anywhere: Flask, stripe_sandbox: Sandbox
) -> None:
    with_tax(anywhere)
    owner = world.new_owner(stripe_sandbox, world.VISA, country="")
    invoice_id = world.new_invoice(owner, 1000)

    report = collecting.collect()
    row = world.collection(invoice_id)
    assert (report.needs_owner, row.needs, row.state) == (1, "address", "waiting")
    assert world.notes(invoice_id) == ["action_required"]

    world.client(stripe_sandbox).v1.customers.update(
        owner.customer_id, {"address": {"country": "FR"}}
    )
    waking.wake(connection(), owner.info_id)
    db.session.commit()
    collecting.collect()

    assert world.collection(invoice_id).total == 1200
    assert world.invoice(invoice_id).state == "paid"


def test_lines_that_the_processor_refuses_are_left_to_the_staff(
    app: Flask, stripe_sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise GatewayRefusal("Stripe refused the request.", code="amount_too_large")

    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 1000)
    monkeypatch.setattr(current().gateway, "add_invoice_lines", refuse)

    report = collecting.collect()

    row = world.collection(invoice_id)
    assert (report.parked, row.state, row.reason) == (1, "parked", "refused")
    assert (row.error_code, row.remote_state) == ("amount_too_large", "draft")


def test_credit_that_the_customer_has_at_the_processor_may_pay_all(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    world.client(stripe_sandbox).v1.customers.balance_transactions.create(
        owner.customer_id, {"amount": -5000, "currency": "usd"}
    )
    invoice_id = world.new_invoice(owner, 1000)

    report = collecting.collect()

    assert (report.issued, report.paid) == (0, 1)
    assert world.invoice(invoice_id).state == "paid"
    assert world.charges(stripe_sandbox, owner) == []
    assert world.notes(invoice_id) == ["receipt"]


def test_sum_too_small_to_charge_is_put_on_the_customers_account(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 7)

    collecting.collect()

    customer = world.client(stripe_sandbox).v1.customers.retrieve(owner.customer_id)
    assert (world.invoice(invoice_id).state, world.states(invoice_id)) == ("paid", [])
    assert customer.balance == 7


def test_owner_on_terms_pays_by_transfer_and_can_be_late(
    anywhere: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    collecting.set_terms(owner.key, 14)
    paid, late = world.new_invoice(owner, 500), world.new_invoice(owner, 70, month=world.AUGUST)
    collecting.collect()
    assert {world.collection(each).state for each in (paid, late)} == {"transfer"}
    assert world.charges(stripe_sandbox, owner) == []

    stripe_sandbox.pay_out_of_band(world.collection(paid).stripe_id or "")
    time.pass_by(days=15)
    collecting.collect()

    assert world.invoice(paid).state == "paid"
    assert world.collection(late).state == "past_due"
    assert world.notes(late) == ["past_due"]


@pytest.mark.parametrize("days", [0, 366])
def test_terms_that_cannot_be_meant_are_refused(
    app: Flask, stripe_sandbox: Sandbox, days: int
) -> None:
    owner = world.new_owner(stripe_sandbox)

    with pytest.raises(ValueError, match="1 to 365"):
        collecting.set_terms(owner.key, days)


def test_customer_who_was_deleted_is_followed_by_the_next_who_pays(
    app: Flask, stripe_sandbox: Sandbox, time: Time
) -> None:
    owner = world.new_owner(stripe_sandbox, world.BAD)
    invoice_id = world.new_invoice(owner, 500)
    collecting.collect()
    first = world.collection(invoice_id).stripe_id
    world.client(stripe_sandbox).v1.customers.delete(owner.customer_id)
    sync.customer(owner.customer_id)
    time.pass_by(days=1)
    collecting.collect()
    assert world.collection(invoice_id).needs == "payment_method"

    other = world.new_owner(stripe_sandbox, world.VISA)
    world.ensure_row(owner.key, other.info_id)
    waking.wake(connection(), other.info_id)
    db.session.commit()
    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"
    assert world.collection(invoice_id).stripe_id != first
    assert [charge.amount for charge in world.charges(stripe_sandbox, other)] == [500]


def test_project_that_was_deleted_still_pays_what_it_owes(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA)
    invoice_id = world.new_invoice(owner, 500)
    db.session.delete(db.session.get_one(Project, int(owner.key)))
    db.session.commit()

    collecting.collect()

    assert world.invoice(invoice_id).state == "paid"


def test_preview_shows_what_would_be_charged_and_changes_nothing(
    app: Flask, stripe_sandbox: Sandbox
) -> None:
    owner = world.new_owner(stripe_sandbox, world.VISA, world.MASTERCARD)
    other = world.new_owner(stripe_sandbox, world.VISA)
    first, second = world.new_invoice(owner, 500), world.new_invoice(other, 70)
    collecting.mend()
    stripe_sandbox.requests.clear()

    planned = list(collecting.preview())

    assert [(each.invoice_id, each.amount) for each in planned] == [(first, 500), (second, 70)]
    assert planned[0].method_ids == tuple(method.id for method in owner.methods)
    assert [each.invoice_id for each in collecting.preview(other.key)] == [second]
    assert list(stripe_sandbox.requests) == []
    assert world.collection(first).stripe_id is None
    assert set(collecting.due_keys(10)) == {owner.key, other.key}
