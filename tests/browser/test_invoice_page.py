"""The sandbox's page of an invoice in a browser: every state of it, with and without scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import stripe

from tests.browser.inspection import inspect
from tests.sandbox.paying import customer_with

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

    from flask_billing.sandbox import Sandbox

pytestmark = pytest.mark.browser


@pytest.fixture
def client(sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    http = stripe.RequestsClient(timeout=(2, 10))
    yield stripe.StripeClient(
        sandbox.secret_key, base_addresses={"api": sandbox.url}, http_client=http
    )
    http.close()


@pytest.fixture
def invoice(client: stripe.StripeClient) -> stripe.Invoice:
    """An invoice of a customer whose saved card is always asked about by its bank."""
    customer, _ = customer_with(
        client, "pm_card_authenticationRequired", name="Ada Lovelace", address={"country": "DE"}
    )
    draft = client.v1.invoices.create(
        {"customer": customer, "currency": "eur", "automatic_tax": {"enabled": True}}
    )
    client.v1.invoice_items.create(
        {
            "customer": customer,
            "invoice": draft.id,
            "amount": 123_400,
            "description": "server.standard-2 compute, 1 to 30 November 2026",
        }
    )
    return client.v1.invoices.finalize_invoice(draft.id)


def test_invoice_page_is_fit_for_everybody_in_every_state(
    page: Page, invoice: stripe.Invoice
) -> None:
    page.goto(str(invoice.hosted_invoice_url))
    inspect(page, "invoice-open")

    page.get_by_label("Another card").check()
    page.get_by_label("Card number").fill("4000 0000 0000 0002")
    page.get_by_label("Expiry").fill("12 / 34")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay 1,468.46 EUR").click()
    page.get_by_role("heading", name="The invoice was not paid").wait_for()
    inspect(page, "invoice-declined")

    page.get_by_label("Card number").fill("4242 4242 4242 4242")
    page.get_by_label("Security code").fill("123")
    page.get_by_role("button", name="Pay 1,468.46 EUR").click()
    page.get_by_role("heading", name="This invoice is paid").wait_for()
    inspect(page, "invoice-paid")

    page.get_by_role("link", name="Print this invoice").click()
    page.get_by_role("heading", name=f"Invoice {invoice.number}").wait_for()
    inspect(page, "invoice-print")


def test_invoice_is_paid_without_scripts_after_the_banks_consent(
    page_without_scripts: Page, client: stripe.StripeClient, invoice: stripe.Invoice
) -> None:
    page = page_without_scripts

    page.goto(str(invoice.hosted_invoice_url))
    page.get_by_role("button", name="Pay 1,468.46 EUR").click()
    page.get_by_role("button", name="Fail authentication").click()
    page.get_by_role("heading", name="The last try failed").wait_for()
    page.get_by_role("button", name="Pay 1,468.46 EUR").click()
    page.get_by_role("button", name="Complete authentication").click()
    page.get_by_role("heading", name="This invoice is paid").wait_for()

    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
