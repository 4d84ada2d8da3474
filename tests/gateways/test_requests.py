"""What the gateway sends: valid for this API version, under keys made from our rows' ids."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import pytest
import stripe
from pytest_httpserver import HTTPServer

from flask_billing.gateways import Address, CustomerDetails
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.conformance.stripe_document import assert_request_conforms
from tests.gateways.conftest import ADDRESS, OTHER_ROW, ROW, Saved, setup_request

PATH = "/v1/webhook_endpoints"
TYPES = ["checkout.session.expired", "customer.updated", "payment_method.detached"]

FULL = CustomerDetails(
    name="Ada Lovelace",
    company="Engines Ltd",
    email="ada@example.com",
    address=Address(
        line1="12 Analytical Row",
        line2="Attic",
        city="London",
        postal_code="N1 7AA",
        state="Greater London",
        country="GB",
    ),
    invoice_note="PO 4711",
)


@pytest.fixture
def journey(gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved) -> Sandbox:
    """Everything that the gateway can send, once; the way back from the page included."""
    gateway.account_id()
    new = gateway.create_setup_session(setup_request())
    known = gateway.create_setup_session(
        setup_request(local_id=OTHER_ROW, customer_id=saved.customer)
    )
    stripe_sandbox.complete_checkout(new.stripe_id)
    gateway.setup_session(new.stripe_id)
    gateway.expire_setup_session(known.stripe_id)
    for number, details in enumerate((FULL, CustomerDetails())):
        gateway.update_customer(saved.customer, details, local_id=ROW, key=f"details-{number}")
    tax_id = gateway.add_tax_id(saved.customer, "eu_vat", "DE123456789", key="tax-id-1")
    gateway.customer(saved.customer)
    gateway.remove_tax_id(saved.customer, tax_id.stripe_id)
    gateway.payment_methods(saved.customer)
    gateway.payment_method(saved.method)
    hold = gateway.hold(saved.customer, saved.method, 100, "eur", local_id=ROW)
    gateway.find_hold(saved.customer, ROW)
    gateway.release_hold(hold.stripe_id)
    gateway.detach_payment_method(saved.method)
    gateway.setup_intent_local_id("seti_1")
    gateway.mandate("mandate_1")
    notifications(gateway)
    list(gateway.customers(after=saved.customer))
    return stripe_sandbox


def notifications(gateway: StripeGateway) -> None:
    types = ["payment_method.detached", "checkout.session.expired", "customer.updated"]
    endpoint = gateway.create_webhook_endpoint(ADDRESS, types)
    gateway.update_webhook_endpoint(endpoint.stripe_id, types=["*"], enabled=False)
    gateway.webhook_endpoints()
    gateway.delete_webhook_endpoint(endpoint.stripe_id)
    since = datetime(2026, 11, 30, 23, 59, 59, 999_999, tzinfo=UTC)
    list(gateway.events(types=types, since=since, undelivered=True))


def test_every_request_is_one_that_stripe_takes(journey: Sandbox) -> None:
    assert len(journey.requests) >= 24
    for request in journey.requests:
        assert_request_conforms(request.method, request.path, request.params)


def test_every_creation_and_every_change_of_details_has_a_key_of_ours(journey: Sandbox) -> None:
    created = {"/v1/checkout/sessions", "/v1/payment_intents"}
    keys = [
        request.idempotency_key or ""
        for request in journey.requests
        if request.method == "POST"
        and (request.path in created or request.path.startswith("/v1/customers"))
    ]

    assert [key.partition("-")[0] for key in keys] == [
        "setup",
        "setup",
        "details",
        "details",
        "tax",
        "hold",
    ]
    assert len(set(keys)) == len(keys)


def test_keys_are_made_from_the_ids_of_rows(journey: Sandbox) -> None:
    keys = {request.idempotency_key for request in journey.requests}

    assert {f"setup-{ROW}", f"setup-{OTHER_ROW}", f"hold-{ROW}"} <= keys


def test_nothing_that_is_made_carries_more_than_our_ids(journey: Sandbox) -> None:
    creations = journey.requests.of("POST /v1/checkout/sessions")
    metadata = [request.params["metadata"] for request in creations]

    assert metadata == [
        {"flask_billing_id": str(row), "flask_billing_purpose": "payment_method"}
        for row in (ROW, OTHER_ROW)
    ]
    assert [request.params["setup_intent_data"]["metadata"] for request in creations] == metadata
    assert creations[0].params["client_reference_id"] == str(ROW)


def test_page_makes_the_customer_where_there_is_none(journey: Sandbox) -> None:
    first, second = journey.requests.of("POST /v1/checkout/sessions")

    assert first.params["customer_creation"] == "always"
    assert first.params["billing_address_collection"] == "required"
    assert "customer" not in first.params
    assert "customer_creation" not in second.params


def test_repeated_request_of_a_row_gives_the_same_page(
    gateway: StripeGateway, stripe_sandbox: Sandbox
) -> None:
    sessions = {gateway.create_setup_session(setup_request()).stripe_id for _ in range(3)}

    assert len(sessions) == 1
    assert len({request.idempotency_key for request in stripe_sandbox.requests}) == 1


def test_repeated_hold_of_a_row_is_one_hold(gateway: StripeGateway, saved: Saved) -> None:
    holds = [
        gateway.hold(saved.customer, saved.method, 100, "eur", local_id=row)
        for row in (ROW, ROW, OTHER_ROW)
    ]

    assert holds[0] == holds[1] != holds[2]


def test_hold_of_a_row_is_found_among_others(gateway: StripeGateway, saved: Saved) -> None:
    for row in (OTHER_ROW, ROW):
        hold = gateway.hold(saved.customer, saved.method, 100, "eur", local_id=row)

    assert gateway.find_hold(saved.customer, ROW) == hold
    assert gateway.find_hold(saved.customer, UUID(int=0)) is None


def test_listing_reads_every_page(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    more = {
        sdk.v1.payment_methods.attach("pm_card_visa", {"customer": saved.customer}).id
        for _ in range(3)
    }

    found = {method.stripe_id for method in gateway.payment_methods(saved.customer)}

    assert found == more | {saved.method}


def test_clearing_is_sent_as_empty_text_and_never_left_out(journey: Sandbox) -> None:
    updates = [r.params for r in journey.requests if r.idempotency_key == "details-1"]

    [cleared] = updates
    assert cleared["name"] == cleared["business_name"] == cleared["email"] == ""
    assert cleared["address"] == ""
    assert cleared["invoice_settings"] == {"custom_fields": ""}


def test_version_of_the_api_is_the_one_that_the_sdk_pins(
    make_gateway: Callable[..., StripeGateway], httpserver: HTTPServer
) -> None:
    httpserver.expect_request("/v1/account").respond_with_json({"id": "acct_1"})

    make_gateway(STRIPE_API_BASE=httpserver.url_for("")).account_id()

    [(request, _answer)] = httpserver.log
    assert request.headers["Stripe-Version"] == stripe.api_version
    assert '"name": "flask_billing"' in request.headers["X-Stripe-Client-User-Agent"]


def test_endpoint_is_made_for_this_version_with_its_types_in_order(journey: Sandbox) -> None:
    [created] = journey.requests.of("POST /v1/webhook_endpoints")

    assert created.params == {
        "url": ADDRESS,
        "enabled_events": TYPES,
        "api_version": stripe.api_version,
    }


def test_change_of_an_endpoint_sends_only_what_changes(
    gateway: StripeGateway, stripe_sandbox: Sandbox
) -> None:
    stripe_id = gateway.create_webhook_endpoint(ADDRESS, ["customer.updated"]).stripe_id

    gateway.update_webhook_endpoint(stripe_id, types=["customer.deleted"])
    gateway.update_webhook_endpoint(stripe_id, enabled=False)

    sent = [request.params for request in stripe_sandbox.requests.of(f"POST {PATH}/{stripe_id}")]
    assert sent == [{"enabled_events": ["customer.deleted"]}, {"disabled": "true"}]


def test_events_are_asked_for_by_type_time_and_delivery(journey: Sandbox) -> None:
    [listed] = journey.requests.of("GET /v1/events")

    assert listed.params == {
        "limit": "100",
        "types": TYPES,
        "created": {"gte": "1796083199"},
        "delivery_success": "false",
    }


def test_customers_are_asked_for_page_by_page_after_the_last_one(
    journey: Sandbox, saved: Saved
) -> None:
    [listed] = journey.requests.of("GET /v1/customers")

    assert listed.params == {"limit": "100", "starting_after": saved.customer}
