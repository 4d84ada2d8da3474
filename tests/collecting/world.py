"""Owners with payment methods at the local Stripe, and closed invoices of theirs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

import stripe
from sqlalchemy import delete, insert, select, update

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    InvoiceGroup,
    InvoiceLine,
    InvoicePayment,
    Notification,
    PaymentAttempt,
    PaymentMethod,
)
from flask_billing.gateways import SetupRequest
from flask_billing.ids import uuid7
from flask_billing.models import table_of
from flask_billing.rates import Rate
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project, db

GOOD = VISA, MASTERCARD = "pm_card_visa", "pm_card_mastercard"
#: Saved without trouble, and then every charge fails.
BAD = "pm_card_chargeCustomerFail"
IBAN = "DE89370400440532013000"
#: Its bank wants the owner for every payment.
ASKS = "pm_card_authenticationRequired"
JULY, AUGUST, SEPTEMBER = (datetime(2026, month, 1, tzinfo=UTC) for month in (7, 8, 9))


class Owner(NamedTuple):
    """A project, who pays for it, and with what."""

    key: str
    info_id: UUID
    customer_id: str
    methods: Sequence[PaymentMethod]


def client(sandbox: Sandbox) -> stripe.StripeClient:
    """Return the processor's own client, for looking at what is there."""
    return stripe.StripeClient(sandbox.secret_key, base_addresses={"api": sandbox.url})


def new_owner(sandbox: Sandbox, *cards: str, country: str = "DE") -> Owner:
    """Make a project that pays with these cards, in this order."""
    processor = client(sandbox)
    details: Any = {"name": "Ada"} | ({"address": {"country": country}} if country else {})
    customer = processor.v1.customers.create(details)
    info = BillingInfo(stripe_id=customer.id)
    project = Project(name="one", billing_info=info)
    db.session.add(project)
    db.session.commit()
    info_id = info.id
    methods = [add_card(sandbox, info_id, card) for card in cards]
    key = str(project.id)
    ensure_row(key, info_id)
    return Owner(key, info_id, customer.id, methods)


def add_card(sandbox: Sandbox, info_id: UUID, card: str) -> PaymentMethod:
    """Save a card of an owner, at the end of the order."""
    customer_id = db.session.get_one(BillingInfo, info_id).stripe_id
    saved = client(sandbox).v1.payment_methods.attach(card, {"customer": customer_id})
    method = PaymentMethod(stripe_id=saved.id, billing_info_id=info_id)
    db.session.add(method)
    db.session.commit()
    return method


def add_account(sandbox: Sandbox, info_id: UUID, iban: str = IBAN) -> PaymentMethod:
    """Save a bank account of an owner, with the permission to debit it."""
    customer_id = db.session.get_one(BillingInfo, info_id).stripe_id
    db.session.commit()
    request = SetupRequest(
        local_id=uuid7(),
        customer_id=customer_id,
        purpose="payment_method",
        currency="eur",
        return_url="http://localhost/return?session_id={CHECKOUT_SESSION_ID}",
        cancel_url="http://localhost/",
    )
    gateway = current().gateway
    session = gateway.create_setup_session(request)
    sandbox.complete_checkout(session.stripe_id, iban=iban)
    saved = gateway.setup_session(session.stripe_id).payment_method
    assert saved is not None
    method = PaymentMethod(stripe_id=saved.stripe_id, billing_info_id=info_id)
    db.session.add(method)
    db.session.commit()
    return method


def ensure_row(key: str, info_id: UUID) -> None:
    """Have our row of a project, with who pays."""
    row = table_of(BilledProjectRow)
    if db.session.get(BilledProjectRow, key) is None:
        db.session.add(BilledProjectRow(project_key=key, billing_info_id=info_id))
    db.session.execute(update(row).where(row.c.project_key == key).values(billing_info_id=info_id))
    db.session.commit()


def new_invoice(
    owner: Owner,
    *amounts: int,
    month: datetime = SEPTEMBER,
    currency: str = "usd",
    credit: int = 0,
) -> UUID:
    """Close an invoice with lines of these amounts; the last month's by default."""
    invoice_id = uuid7()
    total = sum(amounts)
    end = month.replace(month=month.month + 1)
    db.session.execute(
        insert(table_of(Invoice)).values(
            id=invoice_id,
            project_key=owner.key,
            period_start=month,
            period_end=end,
            live_marker=1,
            state="closed",
            currency=currency,
            gross=total,
            subtotal=total,
            carried_in=0,
            adjusted=0,
            credit_used=credit,
            credit_granted=0,
            due=total - credit,
            carried_out=0,
            waived=0,
            line_count=len(amounts),
            closed_at=end,
        )
    )
    lines = [
        {
            "id": uuid7(),
            "invoice_id": invoice_id,
            "position": position,
            "kind": "usage",
            "resource_type": "machine",
            "resource_id": str(position),
            "slot": "compute",
            "gross": Decimal(amount),
            "net": Decimal(amount),
            "amount": amount,
        }
        for position, amount in enumerate(amounts, 1)
    ]
    db.session.execute(insert(table_of(InvoiceLine)), lines)
    db.session.commit()
    return invoice_id


def group(invoice_id: UUID, *amounts: int) -> None:
    """Sum the lines of an invoice up, as closing does."""
    rows = [
        {
            "invoice_id": invoice_id,
            "position": position,
            "kind": "usage",
            "group_name": "",
            "line_count": 1,
            "gross": Decimal(amount),
            "net": Decimal(amount),
            "amount": amount,
        }
        for position, amount in enumerate(amounts, 1)
    ]
    db.session.execute(insert(table_of(InvoiceGroup)), rows)
    db.session.commit()


def set_rate(invoice_id: UUID, rate: Rate) -> None:
    """Have lines and groups of an invoice say what was used."""
    for part in (InvoiceLine, InvoiceGroup):
        row = table_of(part)
        where = row.c.invoice_id == invoice_id
        db.session.execute(update(row).where(where).values(rate_id=rate.id))
    db.session.commit()


def invoice(invoice_id: UUID) -> Invoice:
    """Return an invoice as it is now."""
    db.session.expire_all()
    return db.session.get_one(Invoice, invoice_id)


def collection(invoice_id: UUID) -> InvoiceCollection:
    """Return how the money of an invoice comes in, as it is now."""
    db.session.expire_all()
    return db.session.get_one(InvoiceCollection, invoice_id)


def attempts(invoice_id: UUID) -> list[PaymentAttempt]:
    """Return the tries of an invoice, in their order."""
    db.session.expire_all()
    query = select(PaymentAttempt).where(PaymentAttempt.invoice_id == invoice_id)
    return list(db.session.scalars(query.order_by(PaymentAttempt.created_at, PaymentAttempt.id)))


def states(invoice_id: UUID) -> list[str]:
    """Return what became of the tries of an invoice, in their order."""
    return [each.state for each in attempts(invoice_id)]


def set_collection(invoice_id: UUID, **values: Any) -> None:
    """Change the row of an invoice by hand."""
    row = table_of(InvoiceCollection)
    db.session.execute(update(row).where(row.c.invoice_id == invoice_id).values(values))
    db.session.commit()


def notes(invoice_id: UUID) -> list[str]:
    """Return what the people of an invoice are told, each once."""
    query = select(Notification.kind).where(
        Notification.invoice_id == invoice_id, Notification.role == "members"
    )
    found = sorted(db.session.scalars(query))
    db.session.commit()
    return found


def charges(sandbox: Sandbox, owner: Owner, status: str = "succeeded") -> list[Any]:
    """Return the charges of an owner's customer, as the processor tells, newest first."""
    found = client(sandbox).v1.charges.list({"customer": owner.customer_id, "limit": 100})
    return [charge for charge in found.auto_paging_iter() if charge.status == status]


def remote(sandbox: Sandbox, invoice_id: UUID) -> Any:
    """Return the invoice that the processor has of ours."""
    stripe_id = collection(invoice_id).stripe_id
    assert stripe_id is not None
    return client(sandbox).v1.invoices.retrieve(stripe_id)


def forget(invoice_id: UUID) -> None:
    """Take an invoice out of the tables, as a backup of before would have it."""
    parts = (Notification, InvoicePayment, PaymentAttempt, InvoiceCollection, InvoiceLine)
    for part in parts:
        table = table_of(part)
        db.session.execute(delete(table).where(table.c.invoice_id == invoice_id))
    whole = table_of(Invoice)
    db.session.execute(delete(whole).where(whole.c.id == invoice_id))
    db.session.commit()
    db.session.expunge_all()
