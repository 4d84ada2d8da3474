"""What projects of the web tests owe: invoices of past months, and how far their money is."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import Flask
from sqlalchemy import null

from flask_billing import Invoice, InvoiceCollection, PaymentAttempt, invoicing
from tests.host import db
from tests.web.conftest import OWN
from tests.web.spending import add_record, at


def close(app: Flask, project_id: int = OWN) -> list[UUID]:
    """Close all that is over, and give the ids of a project's invoices, the oldest first."""
    with app.app_context():
        invoicing.close()
        return [invoice.id for invoice in reversed(invoicing.invoices_of(str(project_id)))]


def use_and_close(app: Flask, project_id: int = OWN, currency: str = "usd") -> list[UUID]:
    """Have a project use a small machine in July and August, and close both months."""
    add_record(app, "1", at(7, 1), at(9, 1), project_id=project_id, currency=currency)
    return close(app, project_id)


def set_back(app: Flask, invoice_id: UUID, invoice_state: str | None = None, **values: Any) -> None:
    """Put the collection of an invoice into a state that only much work or time brings about."""
    with app.app_context():
        invoice = db.session.get_one(Invoice, invoice_id)
        collection = db.session.get(InvoiceCollection, invoice_id)
        if collection is None:
            collection = InvoiceCollection(invoice_id=invoice_id, livemode=False)
            db.session.add(collection)
        for name, value in values.items():
            setattr(collection, name, value)
        invoice.state = invoice_state or invoice.state
        db.session.commit()


def add_attempt(app: Flask, invoice_id: UUID, payment_method_id: UUID, **values: Any) -> UUID:
    """Note a try to pay an invoice; by default nobody knows yet what came of it."""
    if values.get("state", "sending") not in {"sending", "processing"}:
        values["in_flight_marker"] = null()
    with app.app_context():
        attempt = PaymentAttempt(
            invoice_id=invoice_id,
            payment_method_id=payment_method_id,
            amount=1000,
            currency="usd",
            **values,
        )
        db.session.add(attempt)
        db.session.commit()
        return attempt.id
