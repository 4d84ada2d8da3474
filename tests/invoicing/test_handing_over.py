"""Closing hands what is due over to who collects it; voiding takes it back."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from flask_billing import (
    CorrectionRefused,
    Invoice,
    InvoiceCollection,
    invoice_closed,
    invoicing,
)
from flask_billing.ids import uuid7
from tests.host import create_app, db
from tests.invoicing.books import (
    SETTINGS,
    at,
    credit,
    everything,
    invoices,
    month,
    new_project,
    now,
    usage,
)


def collections() -> dict[Any, InvoiceCollection]:
    """What there is to collect, by the key of the project."""
    found = db.session.execute(
        select(Invoice.project_key, InvoiceCollection)
        .join(Invoice, Invoice.id == InvoiceCollection.invoice_id)
        .execution_options(populate_existing=True)
    )
    return {row.project_key: row.InvoiceCollection for row in found}


def told(invoice: Invoice, **values: Any) -> None:
    """Note what the processor said of an invoice, or what was decided."""
    row = update(InvoiceCollection).where(InvoiceCollection.invoice_id == invoice.id)
    db.session.execute(row.values(**values))
    db.session.commit()


def test_what_is_due_waits_to_be_collected(anywhere: Flask) -> None:
    keys = [new_project() for _ in range(4)]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    credit(keys[2], 1_000_000, at(6, 3))
    usage(keys[3], at(7, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()

    found = collections()

    assert found.keys() == {keys[0], keys[1], keys[3]}
    for key, row in found.items():
        assert row.invoice_id == invoices(key)[0].id
        assert (row.state, row.livemode, row.round, row.stamp) == ("waiting", False, 0, 0)
        assert row.next_try_at == row.state_since == at(7, 5)
        assert row.stripe_id is row.billing_info_id is row.claimed_by is None


@pytest.mark.parametrize(("secret", "livemode"), [("sk_test_1", False), ("sk_live_1", True)])
def test_money_is_of_the_mode_of_the_key_that_closed(
    app: Flask, secret: str, livemode: bool
) -> None:
    keys = [new_project(), new_project()]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    other = create_app(url, **SETTINGS | {"STRIPE_SECRET_KEY": secret})

    with other.app_context(), now(at(7, 5)):
        invoicing.close()

        assert [row.livemode for row in collections().values()] == [livemode] * 2


def test_receiver_of_closing_finds_what_is_to_be_collected(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    seen: list[str] = []

    def closed(sender: Flask, *, invoice: Invoice, **extra: Any) -> None:
        assert invoice.collection is not None
        seen.append(invoice.collection.state)

    with invoice_closed.connected_to(closed), now(at(7, 5)):
        invoicing.close()

    assert seen == ["waiting"]


def test_void_invoice_is_not_collected_any_more(anywhere: Flask) -> None:
    keys = [new_project(), new_project()]
    for key in keys:
        usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        invoice = invoices(keys[0])[0]
        told(invoice, claimed_by=uuid7(), claimed_until=at(7, 6), needs="payment_method")
    with now(at(7, 7)):
        invoicing.void(invoice.id, reason="wrong_price")

    stopped, other = (collections()[key] for key in keys)
    assert (stopped.state, stopped.state_since, stopped.next_try_at) == ("done", at(7, 7), None)
    assert stopped.needs is stopped.claimed_by is stopped.claimed_until is None
    assert (other.state, other.next_try_at) == ("waiting", at(7, 5))


def test_invoice_that_is_issued_anew_is_collected_by_itself(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        invoicing.void(invoices(key)[0].id, reason="wrong_price")
        invoicing.close(month(6), key)

    states = {
        invoice.state: invoice.collection.state
        for invoice in db.session.scalars(select(Invoice))
        if invoice.collection is not None
    }
    assert states == {"void": "done", "closed": "waiting"}


@pytest.mark.parametrize("remote", ["draft", "open", "paid", "uncollectible", None])
def test_what_can_be_paid_at_the_processor_is_not_made_void_here(
    app: Flask, remote: str | None
) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)
        told(invoice, stripe_id="in_1", remote_state=remote)
        before = everything()

        for dry_run in (True, False):
            with pytest.raises(CorrectionRefused, match="at the processor"):
                invoicing.void(invoice.id, reason="wrong_price", dry_run=dry_run)

    assert everything() == before


@pytest.mark.parametrize("remote", ["void", "deleted"])
def test_what_is_void_at_the_processor_is_made_void_here(anywhere: Flask, remote: str) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)
        told(invoice, stripe_id="in_1", remote_state=remote)

        invoicing.void(invoice.id, reason="wrong_price")

    assert (invoice.state, collections()[key].state) == ("void", "done")


def test_paid_invoice_is_refunded_and_not_made_void(app: Flask) -> None:
    key = new_project()
    usage(key, at(6, 2), 100_000)
    with now(at(7, 5)):
        invoicing.close()
        [invoice] = invoices(key)
        invoice.state = "paid"
        db.session.commit()

        with pytest.raises(CorrectionRefused, match="Refund it instead"):
            invoicing.void(invoice.id, reason="wrong_price")

    assert invoices(key)[0].state == "paid"
