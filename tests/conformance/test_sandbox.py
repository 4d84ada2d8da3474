"""The sandbox answers as Stripe's document says, and takes what Stripe takes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

import pytest
import stripe

from flask_billing.sandbox import Sandbox
from flask_billing.sandbox.engine.routes import ROUTES, resolve
from flask_billing.sandbox.webhooks.event_types import EVENT_TYPES
from tests.conformance import invoice_walk, sdk, walks
from tests.conformance.stripe_document import (
    assert_error_conforms,
    assert_request_conforms,
    assert_response_conforms,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# Parameters that the sandbox knows only to refuse them with the right words.
REFUSED = {"payment_method_types"}


class Answer(NamedTuple):
    method: str
    path: str
    status: int
    body: dict[str, Any]


class Recorder(stripe.RequestsClient):
    """The SDK's own HTTP client, which also keeps the answers."""

    def __init__(self) -> None:
        super().__init__(timeout=(2, 10))
        self.answers: list[Answer] = []

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None, post_data: Any = None
    ) -> tuple[bytes, int, Mapping[str, str]]:
        body, status, received = super().request(method, url, headers, post_data)
        path = urlsplit(url).path
        self.answers.append(Answer(method.upper(), path, status, json.loads(body)))
        return body, status, received


class Journey(NamedTuple):
    answers: list[Answer]
    requests: list[tuple[str, str, dict[str, Any]]]


@pytest.fixture(scope="module")
def journey() -> Iterator[Journey]:
    """Everything that was asked and answered on a way through all endpoints."""
    recorder = Recorder()
    with Sandbox() as sandbox:
        client = stripe.StripeClient(
            sandbox.secret_key, base_addresses={"api": sandbox.url}, http_client=recorder
        )
        walk_through_webhook_endpoints(sandbox, client)
        walk_through_customers(client)
        walk_through_checkout(sandbox, client)
        walk_through_bank_accounts(sandbox, client)
        walk_through_payments(sandbox, client)
        walks.walk_through_refunds(sandbox, client)
        walks.walk_through_disputes(sandbox, client)
        walks.walk_through_test_clocks(client)
        walks.walk_through_credit_notes(client)
        invoice_walk.walk_through_invoices(sandbox, client)
        walk_through_errors(sandbox, client)
        walk_through_events(sandbox, client)
        calls = [(entry.method, entry.path, entry.params) for entry in sandbox.requests]
        yield Journey(recorder.answers, calls)
    recorder.close()


def walk_through_customers(client: stripe.StripeClient) -> None:
    account = client.v1.accounts.retrieve_current()
    client.v1.accounts.retrieve(account.id)
    address: Any = {"line1": "x", "city": "Berlin", "country": "DE"}
    customer = client.v1.customers.create(
        {
            "email": "a@example.com",
            "address": address,
            "shipping": {"name": "Ada", "address": address},
            "tax_id_data": [{"type": "eu_vat", "value": "DE123456789"}],
            "payment_method": "pm_card_visa",
            "invoice_settings": {"custom_fields": [{"name": "PO", "value": "7"}]},
            "metadata": {"ours": "1"},
        }
    )
    method = client.v1.customers.payment_methods.list(customer.id).data[0].id
    settings: Any = {"default_payment_method": method}
    client.v1.customers.update(
        customer.id, {"business_name": "Engines", "invoice_settings": settings, "address": ""}
    )
    expand = ["tax_ids", "invoice_settings.default_payment_method"]
    client.v1.customers.retrieve(customer.id, {"expand": expand})
    client.v1.customers.list({"email": "a@example.com", "created": {"gt": 0}})
    client.v1.customers.payment_methods.retrieve(customer.id, method)
    made = client.v1.customers.tax_ids.create(
        customer.id, {"type": "us_ein", "value": "12-3456789"}
    )
    client.v1.customers.tax_ids.list(customer.id)
    client.v1.customers.tax_ids.retrieve(customer.id, made.id, {"expand": ["customer"]})
    client.v1.customers.tax_ids.delete(customer.id, made.id)
    client.v1.payment_methods.update(method, {"card": {"exp_month": 1, "exp_year": 2040}})
    client.v1.payment_methods.retrieve(method, {"expand": ["customer"]})
    client.v1.payment_methods.list({"customer": customer.id, "type": "card"})
    client.v1.payment_methods.detach(method)
    amex = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_amex"}})
    client.v1.payment_methods.attach(amex.id, {"customer": customer.id})
    client.v1.customers.delete(customer.id)
    client.v1.customers.retrieve(customer.id)


def walk_through_checkout(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    sessions = client.v1.checkout.sessions
    basics: Any = {
        "mode": "setup",
        "currency": "eur",
        "success_url": "http://host.test/{CHECKOUT_SESSION_ID}",
    }
    session = sessions.create(
        {
            **basics,
            "ui_mode": "hosted_page",
            "customer_creation": "always",
            "billing_address_collection": "required",
            "name_collection": {"business": {"enabled": True, "optional": True}},
            "phone_number_collection": {"enabled": True},
            "tax_id_collection": {"enabled": True},
            "setup_intent_data": {"metadata": {"ours": "1"}, "description": "x"},
            "metadata": {"ours": "1"},
            "client_reference_id": "7",
            "locale": "de",
            "cancel_url": "http://host.test/",
        }
    )
    sandbox.complete_checkout(
        session.id, phone="+491234", business_name="X", tax_id_type="eu_vat", tax_id="DE123456789"
    )
    expand = ["customer", "setup_intent.payment_method", "setup_intent.latest_attempt"]
    sessions.retrieve(session.id, {"expand": expand})
    sessions.expire(sessions.create(basics).id)
    waiting = sessions.create({**basics, "allowed_payment_method_types": ["card"]})
    with pytest.raises(Exception, match="declined"):
        sandbox.complete_checkout(waiting.id, card="4000000000000002")
    sessions.list({"status": "open"})
    sessions.list({"expand": ["data.setup_intent"]})


def walk_through_bank_accounts(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({}).id
    setups = client.v1.setup_intents
    for acceptance in (
        {"type": "online", "online": {"ip_address": "203.0.113.1", "user_agent": "x"}},
        {"type": "offline", "accepted_at": 1_700_000_000},
    ):
        account = client.v1.payment_methods.create(
            {
                "type": "sepa_debit",
                "sepa_debit": {"iban": "FR1420041010050500013M02606"},
                "billing_details": {"name": "Ada", "email": "ada@example.com"},
            }
        )
        params: Any = {
            "customer": customer,
            "payment_method": account.id,
            "confirm": True,
            "mandate_data": {"customer_acceptance": acceptance},
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
            "expand": ["mandate.payment_method", "latest_attempt"],
        }
        intent = setups.create(params)
        client.v1.mandates.retrieve(str(intent.to_dict()["mandate"]["id"]))
    loose = setups.create({"customer": customer, "payment_method": "pm_success_de"})
    confirming: Any = {
        "mandate_data": {"customer_acceptance": {"type": "offline"}},
        "return_url": "http://host.test/",
    }
    mandate = str(setups.confirm(loose.id, confirming).mandate)
    sandbox.set_mandate_status(mandate, "inactive")
    client.v1.mandates.retrieve(mandate, {"expand": ["payment_method.customer"]})
    started: Any = {"mode": "setup", "currency": "eur", "success_url": "http://host.test/"}
    session = client.v1.checkout.sessions.create({**started, "customer": customer})
    sandbox.complete_checkout(session.id, iban="NL39 RABO 0300 0652 64")
    expand = ["setup_intent.mandate", "setup_intent.payment_method"]
    client.v1.checkout.sessions.retrieve(session.id, {"expand": expand})
    client.v1.payment_methods.list({"customer": customer, "type": "sepa_debit"})


def walk_through_payments(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({})
    method = client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id}).id
    setups = client.v1.setup_intents
    intent = setups.create({"customer": customer.id, "usage": "off_session"})
    setups.update(intent.id, {"metadata": {"a": "1"}})
    setups.confirm(intent.id, {"payment_method": method, "return_url": "http://host.test/"})
    setups.retrieve(intent.id, {"expand": ["customer", "payment_method", "latest_attempt"]})
    setups.create(
        {
            "confirm": True,
            "payment_method": "pm_card_authenticationRequired",
            "return_url": "http://x/",
        }
    )
    setups.cancel(setups.create({}).id, {"cancellation_reason": "duplicate"})
    setups.list({"customer": customer.id})
    payments = client.v1.payment_intents
    basics: Any = {"amount": 500, "currency": "usd", "customer": customer.id}
    held = payments.create(
        {
            **basics,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
            "capture_method": "manual",
        }
    )
    payments.capture(held.id, {"amount_to_capture": 400})
    payments.retrieve(held.id, {"expand": ["latest_charge", "payment_method", "customer"]})
    loose = payments.create(basics)
    payments.update(loose.id, {"amount": 600, "metadata": {"a": "1"}})
    payments.confirm(
        loose.id, {"payment_method": "pm_card_authenticationRequired", "return_url": "http://x/"}
    )
    payments.cancel(loose.id, {"cancellation_reason": "requested_by_customer"})
    payments.list({"customer": customer.id})
    charge = client.v1.charges.list({"payment_intent": held.id}).data[0]
    client.v1.charges.retrieve(charge.id, {"expand": ["payment_intent", "customer"]})


def walk_through_errors(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    declined: Any = {
        "amount": 500,
        "currency": "usd",
        "payment_method": "pm_card_visa_chargeDeclined",
        "confirm": True,
        "off_session": True,
    }
    with pytest.raises(stripe.CardError) as refused:
        client.v1.payment_intents.create(declined)
    assert isinstance(refused.value.error, stripe.ErrorObject)
    assert refused.value.error.payment_intent is not None
    client.v1.payment_intents.retrieve(refused.value.error.payment_intent.id)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.retrieve("cus_missing")
    sandbox.fail("GET /v1/customers/*", how="rate_limit")
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.retrieve("cus_missing")
    sandbox.fail("GET /v1/customers/*", how="error_500")
    with pytest.raises(stripe.APIError):
        client.v1.customers.retrieve("cus_missing")


def walk_through_webhook_endpoints(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    endpoints = client.v1.webhook_endpoints
    everything = endpoints.create(
        {
            "url": f"{sandbox.url}/nobody-is-here",
            "enabled_events": ["*"],
            "api_version": "2026-10-28.endive",
            "description": "The app",
            "metadata": {"ours": "1"},
        }
    )
    connected = endpoints.create(
        {
            "url": "https://host.test/hooks",
            "enabled_events": ["account.updated", "three_d_secure.authentication.failed"],
            "connect": True,
        }
    )
    endpoints.update(
        connected.id,
        {
            "disabled": True,
            "enabled_events": ["capability.updated"],
            "url": "https://host.test/other",
            "description": "",
            "metadata": {"ours": "2"},
        },
    )
    endpoints.retrieve(everything.id)
    endpoints.list({"limit": 2})
    endpoints.list({"starting_after": connected.id})
    endpoints.delete(connected.id)


def walk_through_events(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    method = client.v1.payment_methods.attach(
        "pm_card_visa", {"customer": client.v1.customers.create({}).id}
    )
    sandbox.update_card_automatically(method.id, exp_month=2, exp_year=2042)
    sandbox.webhooks.deliver()
    events = client.v1.events
    for page in events.list({"limit": 100}).auto_paging_iter():
        last = page
    events.list({"ending_before": last.id, "type": "customer.created"})
    events.list({"limit": 100, "types": ["customer.*", "setup_intent.*"]})
    events.list({"delivery_success": False, "created": {"gte": 1, "lt": 2_000_000_000}})
    events.retrieve(last.id)


def test_every_answer_is_what_the_document_says(journey: Journey) -> None:
    for answer in journey.answers:
        if answer.status == 200:
            assert_response_conforms(answer.method, answer.path, answer.body)
        else:
            assert_error_conforms(answer.body)


def test_every_endpoint_was_asked(journey: Journey) -> None:
    asked = {
        resolve(answer.method, answer.path)[0] for answer in journey.answers if answer.status == 200
    }

    assert [route.template for route in ROUTES if route not in asked] == []


def test_every_request_of_the_sdk_conforms(journey: Journey) -> None:
    assert journey.requests
    for method, path, params in journey.requests:
        assert_request_conforms(method, path, params)


def test_snapshots_in_events_are_whole_objects(journey: Journey) -> None:
    places = {
        "charge": "/v1/charges/ch_1",
        "checkout.session": "/v1/checkout/sessions/cs_1",
        "credit_note": "/v1/credit_notes/cn_1",
        "customer": "/v1/customers/cus_1",
        "invoice": "/v1/invoices/in_1",
        "invoice_payment": "/v1/invoice_payments/inpay_1",
        "invoiceitem": "/v1/invoiceitems/ii_1",
        "dispute": "/v1/disputes/du_1",
        "mandate": "/v1/mandates/mandate_1",
        "payment_intent": "/v1/payment_intents/pi_1",
        "payment_method": "/v1/payment_methods/pm_1",
        "radar.early_fraud_warning": "/v1/radar/early_fraud_warnings/issfr_1",
        "refund": "/v1/refunds/re_1",
        "setup_intent": "/v1/setup_intents/seti_1",
        "tax_id": "/v1/customers/cus_1/tax_ids/txi_1",
        "test_helpers.test_clock": "/v1/test_helpers/test_clocks/clock_1",
    }
    events = {
        event["id"]: event
        for answer in journey.answers
        if answer.path == "/v1/events"
        for event in answer.body["data"]
    }

    for event in events.values():
        snapshot = event["data"]["object"]
        assert_response_conforms("GET", places[snapshot["object"]], snapshot)
    assert {e["data"]["object"]["object"] for e in events.values()} == set(places)


def test_every_event_is_of_a_type_that_stripe_has(journey: Journey) -> None:
    holder = sdk.parameter_types()["POST", "/v1/webhook_endpoints"]
    listed = sdk.values_in(sdk.parameters_of(holder)["enabled_events"])

    sent = {e["type"] for a in journey.answers if a.path == "/v1/events" for e in a.body["data"]}

    assert listed - {"*"} == EVENT_TYPES
    assert sent <= EVENT_TYPES
    assert len(sent) > 20


def test_changed_attributes_are_those_of_the_object(journey: Journey) -> None:
    for answer in journey.answers:
        for event in answer.body["data"] if answer.path == "/v1/events" else ():
            previous = event["data"].get("previous_attributes", {})
            assert previous.keys() <= event["data"]["object"].keys()


def test_no_endpoint_takes_a_parameter_that_stripe_does_not() -> None:
    unknown = []
    for route in ROUTES:
        holder = sdk.parameter_types()[route.method, sdk.without_names(route.template)]
        known = sdk.parameters_of(holder)
        names = route.declared.keys() - REFUSED
        unknown += [(route.template, name) for name in names if name not in known]

    assert unknown == []


@pytest.mark.parametrize(
    ("method", "path", "params", "fault"),
    [
        ("POST", "/v1/customers", {"colour": "red"}, "colour is unknown"),
        ("POST", "/v1/customers", {"address": {"street": "x"}}, "street] is unknown"),
        ("POST", "/v1/customers", {"balance": "much"}, "balance cannot be"),
        ("POST", "/v1/customers", {"name": "x" * 257}, "name cannot be"),
        ("POST", "/v1/setup_intents", {"usage": "often"}, "usage cannot be"),
        (
            "POST",
            "/v1/checkout/sessions",
            {"payment_method_types": ["card"]},
            "payment_method_types is no longer taken",
        ),
        ("POST", "/v1/payment_intents", {"amount": "1"}, "currency is required"),
        ("GET", "/v1/customers", {"filter": "x"}, "filter is unknown"),
        (
            "POST",
            "/v1/webhook_endpoints",
            {"url": "https://x.test", "enabled_events": ["customer.exploded"]},
            "enabled_events.0. cannot be",
        ),
        ("POST", "/v1/nonsense", {}, "has no POST /v1/nonsense"),
    ],
)
def test_wrong_request_does_not_pass(
    method: str, path: str, params: dict[str, Any], fault: str
) -> None:
    with pytest.raises(AssertionError, match=fault):
        assert_request_conforms(method, path, params)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"created": None}, "created is null"),
        ({"created": "today"}, "created is no integer"),
        ({"colour": "red"}, "colour is not known"),
        ({"tax_exempt": "maybe"}, "tax_exempt is none of"),
        ({"address": {"street": "x"}}, "street is not"),
        ({"metadata": {"a": 1}}, "metadata.a is no string"),
    ],
)
def test_wrong_answer_does_not_pass(change: dict[str, Any], fault: str) -> None:
    customer = {"id": "cus_1", "object": "customer", "created": 1, "livemode": False}

    assert_response_conforms("GET", "/v1/customers/cus_1", customer)
    with pytest.raises(AssertionError, match=fault):
        assert_response_conforms("GET", "/v1/customers/cus_1", {**customer, **change})
