"""The gateway, the plain SDK beside it, and a customer with a card."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import stripe
from pytest_httpserver import HTTPServer

from flask_billing.gateways import CustomerDetails, InvoiceRequest, LineRequest, SetupRequest
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from flask_billing.settings import Settings
from tests.conformance.stripe_document import assert_request_conforms

ROW = UUID("01a3b0d5-0000-7000-8000-000000000001")
OTHER_ROW = UUID("01a3b0d5-0000-7000-8000-000000000002")

#: Nobody's method takes these ids for wrong before it asks.
NOBODY = "cus_nobody"

#: Where notifications could be sent to.
ADDRESS = "https://host.test/billing/webhooks/stripe"


@dataclass(frozen=True)
class Saved:
    """The ids of a customer and its card."""

    customer: str
    method: str


def setup_request(**changes: Any) -> SetupRequest:
    values: dict[str, Any] = {
        "local_id": ROW,
        "purpose": "payment_method",
        "customer_id": None,
        "currency": "eur",
        "return_url": "http://host.test/return?session_id={CHECKOUT_SESSION_ID}",
        "cancel_url": "http://host.test/",
    }
    return SetupRequest(**values | changes)


#: Every way in which the gateway speaks to Stripe.
CALLS: dict[str, Callable[[StripeGateway], object]] = {
    "account_id": lambda gateway: gateway.account_id(),
    "create_setup_session": lambda gateway: gateway.create_setup_session(setup_request()),
    "setup_session": lambda gateway: gateway.setup_session("cs_test_1"),
    "expire_setup_session": lambda gateway: gateway.expire_setup_session("cs_test_1"),
    "customer": lambda gateway: gateway.customer(NOBODY),
    "update_customer": lambda gateway: gateway.update_customer(
        NOBODY, CustomerDetails(name="x"), local_id=ROW, key="details-1"
    ),
    "add_tax_id": lambda gateway: gateway.add_tax_id(NOBODY, "eu_vat", "x", key="tax-id-1"),
    "remove_tax_id": lambda gateway: gateway.remove_tax_id(NOBODY, "txi_1"),
    "payment_methods": lambda gateway: gateway.payment_methods(NOBODY),
    "payment_method": lambda gateway: gateway.payment_method("pm_nobody"),
    "detach_payment_method": lambda gateway: gateway.detach_payment_method("pm_nobody"),
    "hold": lambda gateway: gateway.hold(NOBODY, "pm_nobody", 100, "eur", local_id=ROW),
    "find_hold": lambda gateway: gateway.find_hold(NOBODY, ROW),
    "release_hold": lambda gateway: gateway.release_hold("pi_nobody"),
    "setup_intent_local_id": lambda gateway: gateway.setup_intent_local_id("seti_nobody"),
    "mandate": lambda gateway: gateway.mandate("mandate_nobody"),
    "customers": lambda gateway: list(gateway.customers()),
    "events": lambda gateway: list(gateway.events()),
    "webhook_endpoints": lambda gateway: gateway.webhook_endpoints(),
    "create_webhook_endpoint": lambda gateway: gateway.create_webhook_endpoint(
        ADDRESS, ["customer.updated"]
    ),
    "update_webhook_endpoint": lambda gateway: gateway.update_webhook_endpoint(
        "we_nobody", enabled=False
    ),
    "delete_webhook_endpoint": lambda gateway: gateway.delete_webhook_endpoint("we_nobody"),
    "invoices_of": lambda gateway: list(gateway.invoices_of(NOBODY)),
    "create_invoice": lambda gateway: gateway.create_invoice(
        InvoiceRequest(
            local_id=ROW, customer_id=NOBODY, project_key="1", period="2026-10", currency="eur"
        ),
        key="invoice-1",
    ),
    "claim_invoice": lambda gateway: gateway.claim_invoice("in_nobody", local_id=ROW),
    "invoice_lines": lambda gateway: gateway.invoice_lines("in_nobody"),
    "add_invoice_lines": lambda gateway: gateway.add_invoice_lines(
        "in_nobody", [LineRequest(local_id="1", amount=1, description="x")], key="lines-1"
    ),
    "remove_invoice_lines": lambda gateway: gateway.remove_invoice_lines("in_nobody", ["il_1"]),
    "finalize_invoice": lambda gateway: gateway.finalize_invoice("in_nobody", key="finalize-1"),
    "invoice": lambda gateway: gateway.invoice("in_nobody"),
    "pay_invoice": lambda gateway: gateway.pay_invoice("in_nobody", "pm_nobody", key="pay-1"),
    "void_invoice": lambda gateway: gateway.void_invoice("in_nobody", key="void-1"),
    "write_off_invoice": lambda gateway: gateway.write_off_invoice("in_nobody", key="off-1"),
    "delete_draft": lambda gateway: gateway.delete_draft("in_nobody"),
    "invoice_document": lambda gateway: gateway.invoice_document("in_nobody"),
    "charges_of": lambda gateway: gateway.charges_of("pi_nobody"),
    "charge": lambda gateway: gateway.charge("ch_nobody"),
    "invoice_id_of": lambda gateway: gateway.invoice_id_of("payment_intent", "pi_nobody"),
    "create_credit_note": lambda gateway: gateway.create_credit_note(
        "in_nobody", 1, refund=True, reason="duplicate", local_id=ROW, key="note-1"
    ),
    "credit_notes": lambda gateway: gateway.credit_notes("in_nobody"),
    "create_refund": lambda gateway: gateway.create_refund(
        "pi_nobody", 1, local_id=ROW, key="refund-1"
    ),
    "refund": lambda gateway: gateway.refund("re_nobody"),
    "refunds_of": lambda gateway: gateway.refunds_of("pi_nobody"),
    "change_balance": lambda gateway: gateway.change_balance(
        NOBODY, 1, "eur", local_id=ROW, key="balance-1"
    ),
    "find_balance_change": lambda gateway: gateway.find_balance_change(NOBODY, ROW),
    "balance": lambda gateway: gateway.balance(NOBODY),
    "dispute": lambda gateway: gateway.dispute("du_nobody"),
    "fraud warning": lambda gateway: gateway.dispute("issfr_nobody"),
}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK pauses between its attempts; nothing here depends on how long."""
    monkeypatch.setattr(stripe.HTTPClient, "INITIAL_DELAY", 0)


@pytest.fixture
def make_gateway(stripe_sandbox: Sandbox) -> Callable[..., StripeGateway]:
    """Makes gateways for the sandbox; settings can be given."""

    def make(**config: Any) -> StripeGateway:
        usual = {
            "STRIPE_SECRET_KEY": stripe_sandbox.secret_key,
            "STRIPE_API_BASE": stripe_sandbox.url,
        }
        return StripeGateway(Settings.from_config(usual | config))

    return make


@pytest.fixture
def gateway(make_gateway: Callable[..., StripeGateway]) -> StripeGateway:
    return make_gateway()


@pytest.fixture
def sdk(stripe_sandbox: Sandbox) -> Iterator[stripe.StripeClient]:
    """Stripe's own client, to prepare and to look at what the gateway left."""
    http = stripe.RequestsClient(timeout=(2, 10))
    yield stripe.StripeClient(
        stripe_sandbox.secret_key, base_addresses={"api": stripe_sandbox.url}, http_client=http
    )
    http.close()  # type: ignore[no-untyped-call]


@pytest.fixture
def saved(sdk: stripe.StripeClient, stripe_sandbox: Sandbox) -> Saved:
    """A customer with a card; the log of requests begins after it."""
    customer = sdk.v1.customers.create({"name": "Ada"})
    method = sdk.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    stripe_sandbox.requests.clear()
    return Saved(customer.id, method.id)


@pytest.fixture
def conforming(stripe_sandbox: Sandbox) -> Iterator[None]:
    """Finds out in the end whether every request of a test was one that Stripe takes."""
    yield
    for request in stripe_sandbox.requests:
        assert_request_conforms(request.method, request.path, request.params)


@pytest.fixture
def answering(
    make_gateway: Callable[..., StripeGateway], httpserver: HTTPServer
) -> Callable[[Any], StripeGateway]:
    """Makes a gateway that gets one answer, whatever it asks."""

    def make(answer: Any) -> StripeGateway:
        httpserver.clear()
        httpserver.expect_request(re.compile("/v1/.*")).respond_with_json(answer)
        return make_gateway(STRIPE_API_BASE=httpserver.url_for(""))

    return make
