"""The way through the endpoints of invoices, their items, lines, payments and taxes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.invoicing import customer_in, draft, opened, saved, saved_account

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox


def walk_through_invoices(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    """Ask every endpoint, and bring invoices into every state."""
    customer = customer_in(client, "DE")
    client.v1.customers.tax_ids.create(customer, {"type": "us_ein", "value": "12-3456789"})
    _walk_through_drafts(client, customer)
    _walk_through_terms(sandbox, client, customer)
    _walk_through_payments(sandbox, client, customer)
    _walk_through_balances(client, customer)
    _walk_through_refusals(client, customer)


def _walk_through_drafts(client: stripe.StripeClient, customer: str) -> None:
    invoices, items = client.v1.invoices, client.v1.invoice_items
    params: Any = {
        "automatic_tax": {"enabled": True},
        "custom_fields": [{"name": "PO", "value": "7"}],
        "default_payment_method": saved(client, customer),
        "description": "October",
        "footer": "Thank you",
        "metadata": {"period": "2026-10"},
        "payment_settings": {"payment_method_types": ["card"]},
        "pending_invoice_items_behavior": "include",
        "statement_descriptor": "SANDBOX",
    }
    waiting: Any = {"customer": customer, "currency": "eur", "amount": 150}
    items.create(waiting)
    invoice = draft(client, customer, 100, 200, **params)
    priced: Any = {
        "customer": customer,
        "invoice": invoice.id,
        "unit_amount_decimal": "1.25",
        "quantity": 100,
        "period": {"start": 1_790_000_000, "end": 1_790_003_600},
        "tax_behavior": "inclusive",
        "metadata": {"line": "1"},
    }
    item = items.create(priced)
    items.update(item.id, {"description": "Traffic", "discountable": False})
    items.retrieve(item.id, {"expand": ["customer", "invoice"]})
    items.list({"invoice": invoice.id})
    items.list({"customer": customer, "pending": True})
    lines = [line.id for line in invoices.retrieve(invoice.id).lines.data]
    changed: Any = {"lines": [{"id": lines[0], "amount": 120, "metadata": {"a": "1"}}]}
    invoices.update_lines(invoice.id, {**changed, "invoice_metadata": {"b": "2"}})
    removed: Any = {"lines": [{"id": lines[1], "behavior": "unassign"}]}
    invoices.remove_lines(invoice.id, removed)
    items.delete(items.list({"customer": customer, "pending": True}).data[0].id)
    page = invoices.line_items.list(invoice.id, {"limit": 1})
    invoices.line_items.list(invoice.id, {"starting_after": page.data[0].id})
    updated = invoices.update(invoice.id, {"description": "", "effective_at": 1_790_000_000})
    assert updated.total_taxes is not None
    details = updated.total_taxes[0].tax_rate_details
    assert details is not None
    client.v1.tax_rates.retrieve(details.tax_rate)
    invoices.delete(invoice.id)


def _walk_through_terms(sandbox: Sandbox, client: stripe.StripeClient, customer: str) -> None:
    terms: Any = {"collection_method": "send_invoice", "days_until_due": 3}
    asked = draft(client, customer, 500, **terms)
    client.v1.invoices.send_invoice(asked.id)
    advancing = draft(client, customer, 500, auto_advance=True)
    sandbox.advance(4 * 24 * 3600)
    client.v1.invoices.retrieve(advancing.id)
    client.v1.invoices.mark_uncollectible(asked.id)
    client.v1.invoices.void_invoice(asked.id)
    filters: Any = {"status": "void", "collection_method": "send_invoice", "created": {"gt": 0}}
    client.v1.invoices.list({"customer": customer, **filters})


def _walk_through_payments(sandbox: Sandbox, client: stripe.StripeClient, customer: str) -> None:
    invoices = client.v1.invoices
    card, failing, wanting = (
        saved(client, customer, f"pm_card_{name}")
        for name in ("visa", "chargeCustomerFail", "authenticationRequired")
    )
    invoice = opened(client, customer, 1000, automatic_tax={"enabled": True})
    for method in (failing, wanting):
        with pytest.raises(stripe.CardError):
            invoices.pay(invoice.id, {"payment_method": method, "off_session": True})
    expand = ["payments.data.payment.payment_intent", "confirmation_secret", "customer"]
    invoices.retrieve(invoice.id, {"expand": expand})
    basics: Any = {"amount": 500, "currency": "eur", "customer": customer}
    second = client.v1.payment_intents.create(basics)
    invoices.attach_payment(invoice.id, {"payment_intent": second.id})
    invoices.pay(invoice.id, {"payment_method": card, "expand": ["payments"]})
    confirming: Any = {"payment_method": card, "off_session": True}
    client.v1.payment_intents.confirm(second.id, confirming)
    for token in ("pm_success_de", "pm_failed_de"):
        debited = opened(client, customer, 2000)
        account = saved_account(client, customer, token)
        invoices.pay(debited.id, {"payment_method": account})
        sandbox.advance(61)
        expand = ["data.payment.payment_intent", "data.invoice"]
        found = client.v1.invoice_payments.list({"invoice": debited.id, "expand": expand}).data[0]
        client.v1.invoice_payments.retrieve(found.id)
    paid: Any = {"type": "payment_intent", "payment_intent": second.id}
    client.v1.invoice_payments.list({"payment": paid, "status": "paid"})
    invoices.pay(opened(client, customer, 700).id, {"paid_out_of_band": True})


def _walk_through_balances(client: stripe.StripeClient, customer: str) -> None:
    balances = client.v1.customers.balance_transactions
    made = balances.create(
        customer,
        {"amount": -800, "currency": "eur", "description": "Sorry", "metadata": {"a": "1"}},
    )
    balances.update(customer, made.id, {"metadata": {"b": "2"}})
    balances.retrieve(customer, made.id, {"expand": ["customer"]})
    paid = opened(client, customer, 300)
    balances.list(customer, {"invoice": paid.id, "expand": ["data.invoice"]})


def _walk_through_refusals(client: stripe.StripeClient, customer: str) -> None:
    invoices = client.v1.invoices
    nowhere = draft(client, customer_in(client), 500, automatic_tax={"enabled": True})
    finalized = opened(client, customer, 2000)
    for act in (
        lambda: invoices.finalize_invoice(nowhere.id),
        lambda: invoices.finalize_invoice(finalized.id),
        lambda: invoices.pay(finalized.id, {"payment_method": "pm_missing"}),
        lambda: invoices.void_invoice(nowhere.id),
    ):
        with pytest.raises(stripe.InvalidRequestError):
            act()
    invoices.retrieve(nowhere.id)
