"""Invoices of a customer as the gateway makes them: drafts, issued and paid ones."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import stripe

from flask_billing.gateways import InvoiceRequest, LineRequest, RemoteInvoice, RemotePayment
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import ROW, Saved, setup_request

PROJECT_KEY = "project-1"
PERIOD = "2026-10-01T00:00:00+00:00"


def invoice_request(customer_id: str, **changes: Any) -> InvoiceRequest:
    values: dict[str, Any] = {
        "local_id": ROW,
        "customer_id": customer_id,
        "project_key": PROJECT_KEY,
        "period": PERIOD,
        "currency": "eur",
    }
    return InvoiceRequest(**values | changes)


def lines_of(*amounts: int) -> list[LineRequest]:
    return [
        LineRequest(local_id=f"line-{number}", amount=amount, description=f"Use {number}")
        for number, amount in enumerate(amounts)
    ]


def draft(
    gateway: StripeGateway, saved: Saved, *amounts: int, row: UUID = ROW, **changes: Any
) -> RemoteInvoice:
    request = invoice_request(saved.customer, local_id=row, **changes)
    made = gateway.create_invoice(request, key=f"invoice-{row}")
    return gateway.add_invoice_lines(made.stripe_id, lines_of(*amounts), key=f"lines-{row}")


def issued(
    gateway: StripeGateway, saved: Saved, *amounts: int, row: UUID = ROW, **changes: Any
) -> RemoteInvoice:
    made = draft(gateway, saved, *amounts, row=row, **changes)
    return gateway.finalize_invoice(made.stripe_id, key=f"finalize-{row}")


def paid(gateway: StripeGateway, saved: Saved, *amounts: int, row: UUID = ROW) -> RemoteInvoice:
    made = issued(gateway, saved, *amounts, row=row)
    return gateway.pay_invoice(made.stripe_id, saved.method, key=f"pay-{row}")


def payment_of(invoice: RemoteInvoice) -> RemotePayment:
    [payment] = invoice.payments
    return payment


def intent_of(invoice: RemoteInvoice) -> str:
    intent_id = payment_of(invoice).intent_id
    assert intent_id is not None
    return intent_id


def charge_of(invoice: RemoteInvoice) -> str:
    charge_id = payment_of(invoice).charge_id
    assert charge_id is not None
    return charge_id


def account_of(gateway: StripeGateway, sandbox: Sandbox, saved: Saved, iban: str) -> str:
    """Have the customer save a bank account, with the permission to debit it."""
    session = gateway.create_setup_session(setup_request(customer_id=saved.customer))
    sandbox.complete_checkout(session.stripe_id, iban=iban)
    method = gateway.setup_session(session.stripe_id).payment_method
    assert method is not None
    return method.stripe_id


def attached(sdk: stripe.StripeClient, saved: Saved, token: str) -> str:
    """Save another payment method of the customer."""
    return sdk.v1.payment_methods.attach(token, {"customer": saved.customer}).id
