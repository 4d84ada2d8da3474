"""Listings go through every page, newest first, and break off with one of our errors."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
import stripe
from pytest_httpserver import HTTPServer

from flask_billing.errors import GatewayError, GatewayUnavailable
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import OTHER_ROW, ROW
from tests.gateways.notices import event


@pytest.fixture
def crowd(sdk: stripe.StripeClient, stripe_sandbox: Sandbox) -> list[str]:
    """More customers than a page holds, newest first; the log of requests begins after them."""
    made = [
        sdk.v1.customers.create({"metadata": {"flask_billing_id": str(number)}}).id
        for number in range(103)
    ]
    stripe_sandbox.requests.clear()
    return made[::-1]


def test_customers_come_newest_first_over_all_pages(
    gateway: StripeGateway, stripe_sandbox: Sandbox, crowd: list[str]
) -> None:
    found = list(gateway.customers())

    assert [customer.stripe_id for customer in found] == crowd
    assert [customer.local_id for customer in found] == [str(n) for n in range(102, -1, -1)]
    assert len(stripe_sandbox.requests) == 2


def test_customers_go_on_after_the_last_one_that_was_seen(
    gateway: StripeGateway, crowd: list[str]
) -> None:
    found = [customer.stripe_id for customer in gateway.customers(after=crowd[99])]

    assert found == crowd[100:]


def test_listing_that_is_left_early_asks_for_no_more(
    gateway: StripeGateway, stripe_sandbox: Sandbox, crowd: list[str]
) -> None:
    listing = gateway.customers()

    first = [next(listing).stripe_id for _ in range(100)]

    assert first == crowd[:100]
    assert len(stripe_sandbox.requests) == 1


@pytest.mark.parametrize("path", ["/v1/customers", "/v1/events"])
@pytest.mark.parametrize("how", ["error_500", "rate_limit", "timeout_before"])
def test_page_that_fails_on_the_way_is_one_of_our_errors(
    gateway: StripeGateway, stripe_sandbox: Sandbox, crowd: list[str], path: str, how: str
) -> None:
    listing = gateway.customers() if path == "/v1/customers" else gateway.events()
    stripe_sandbox.fail(f"GET {path}", how=how, nth=2, times=99)
    seen = [next(listing) for _ in range(100)]

    with pytest.raises(GatewayUnavailable) as failed:
        next(listing)

    assert len(seen) == 100
    assert failed.value.__context__ is None


def test_events_come_newest_first_over_all_pages(
    gateway: StripeGateway, crowd: list[str], stripe_sandbox: Sandbox
) -> None:
    found = list(gateway.events())

    assert [event.object_id for event in found] == crowd
    assert [event.customer_id for event in found] == crowd
    assert {event.type for event in found} == {"customer.created"}
    assert len(stripe_sandbox.requests) == 2


def test_event_that_is_listed_is_the_one_that_is_sent(
    gateway: StripeGateway,
    sdk: stripe.StripeClient,
    stripe_sandbox: Sandbox,
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/hooks").respond_with_data("")
    stripe_sandbox.webhooks.register(httpserver.url_for("/hooks"), "whsec_1")
    customer = sdk.v1.customers.create({"email": "ada@example.com"})
    method = sdk.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})
    sdk.v1.payment_methods.detach(method.id)
    stripe_sandbox.webhooks.deliver_all()

    requests = [request for request, _ in httpserver.log]
    sent = [
        gateway.read_event(r.get_data(), r.headers["Stripe-Signature"], ["whsec_1"])
        for r in requests
    ]

    assert list(gateway.events()) == sent[::-1]
    assert [event.type for event in sent] == [
        "customer.created",
        "payment_method.attached",
        "payment_method.detached",
    ]
    assert [event.object_id for event in sent] == [customer.id, method.id, method.id]
    assert {event.customer_id for event in sent} == {customer.id}


def test_events_of_some_types_are_picked_however_many_types(
    gateway: StripeGateway, sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    for _ in range(2):
        customer = sdk.v1.customers.create()
        sdk.v1.customers.update(customer.id, {"name": "Ada"})
    few = ["customer.updated", "customer.deleted"]
    many = few + [f"some.type_{number}" for number in range(19)]
    stripe_sandbox.requests.clear()

    found = [[event.type for event in gateway.events(types=types)] for types in (few, many)]

    assert found == [["customer.updated"] * 2] * 2
    first, second = stripe_sandbox.requests
    assert first.params["types"] == sorted(few)
    assert "types" not in second.params


def test_events_begin_with_a_moment(
    gateway: StripeGateway, sdk: stripe.StripeClient, stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.clock.freeze(1_796_083_199)
    sdk.v1.customers.create()
    stripe_sandbox.clock.freeze(1_796_083_200)
    later = sdk.v1.customers.create()

    # Stripe tells whole seconds, so what happened within this second counts.
    moment = datetime(2026, 12, 1, 0, 0, 0, 700_000, tzinfo=UTC)
    found = [event.object_id for event in gateway.events(since=moment)]

    assert found == [later.id]


def test_undelivered_events_are_those_that_some_endpoint_did_not_take(
    gateway: StripeGateway,
    sdk: stripe.StripeClient,
    stripe_sandbox: Sandbox,
    httpserver: HTTPServer,
) -> None:
    httpserver.expect_request("/hooks").respond_with_data("")
    stripe_sandbox.webhooks.register(httpserver.url_for("/hooks"), "whsec_1")
    sdk.v1.customers.create()
    stripe_sandbox.webhooks.deliver_all()
    missed = sdk.v1.customers.create()

    found = [event.object_id for event in gateway.events(undelivered=True)]

    assert found == [missed.id]


def test_listed_event_that_cannot_be_read_is_an_error_unless_nobody_wants_it(
    make_gateway: Callable[..., StripeGateway], httpserver: HTTPServer
) -> None:
    wrong = event(type="customer.updated", created=-1)
    page = {"object": "list", "data": [wrong], "has_more": False, "url": "/v1/events"}
    httpserver.expect_request("/v1/events").respond_with_json(page)
    gateway = make_gateway(STRIPE_API_BASE=httpserver.url_for(""))

    assert list(gateway.events(types=["customer.deleted"])) == []
    with pytest.raises(GatewayError) as failed:
        list(gateway.events())

    assert failed.value.code == "malformed_event"


def test_events_that_cannot_be_read_hide_no_other(
    make_gateway: Callable[..., StripeGateway], httpserver: HTTPServer
) -> None:
    first = [event(id="evt_6", created=-1), event(id="evt_5"), event(id="evt_4")]
    second = [event(id="evt_3", livemode="no"), event(id="evt_2"), event(id="evt_1")]
    for data, cursor in ((second, {"starting_after": "evt_4"}), (first, None)):
        page = {"object": "list", "data": data, "has_more": data is first, "url": "/v1/events"}
        httpserver.expect_request(
            "/v1/events", query_string=cursor and cursor | {"limit": "100"}
        ).respond_with_json(page)
    listing = make_gateway(STRIPE_API_BASE=httpserver.url_for("")).events()

    found = [next(listing).stripe_id for _ in range(4)]
    with pytest.raises(GatewayError) as failed:
        next(listing)

    assert found == ["evt_5", "evt_4", "evt_2", "evt_1"]
    assert failed.value.code == "malformed_event"
    assert "evt_" not in str(failed.value)


def test_customer_tells_the_row_that_it_was_made_for(
    gateway: StripeGateway, sdk: stripe.StripeClient
) -> None:
    customers = [
        sdk.v1.customers.create({"metadata": {"flask_billing_id": str(row)}}).id
        for row in (ROW, OTHER_ROW)
    ]
    foreign = sdk.v1.customers.create().id

    assert [gateway.customer(each).local_id for each in customers] == [str(ROW), str(OTHER_ROW)]
    assert gateway.customer(foreign).local_id is None


def test_setup_intent_tells_the_row_that_it_was_made_for(
    gateway: StripeGateway, sdk: stripe.StripeClient
) -> None:
    ours, foreign = (
        sdk.v1.setup_intents.create({"metadata": metadata}).id
        for metadata in ({"flask_billing_id": str(ROW)}, {"other": "x"})
    )

    assert gateway.setup_intent_local_id(ours) == str(ROW)
    assert gateway.setup_intent_local_id(foreign) is None
    assert gateway.setup_intent_local_id("seti_nobody") is None


def test_mandate_that_stripe_does_not_know_is_none(gateway: StripeGateway) -> None:
    assert gateway.mandate("mandate_nobody") is None
