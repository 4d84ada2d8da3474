"""Each failure of Stripe becomes one of our errors: the customer's, ours, or of unknown outcome."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from flask_billing.errors import (
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    PaymentActionRequired,
    PaymentDeclined,
)
from flask_billing.gateways import CustomerDetails
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import CALLS, ROW, Saved, setup_request

UPDATE = "POST /v1/customers/*"


def refusal(status: int, code: str | None = None, **more: Any) -> dict[str, Any]:
    return {"how": "refuse", "status": status, "code": code, **more}


def update(gateway: StripeGateway, saved: Saved) -> None:
    details = CustomerDetails(name="Grace")
    gateway.update_customer(saved.customer, details, local_id=ROW, key="details-1")


#: What goes wrong, what comes of it with which code, and how many requests were sent.
FAILURES = [
    ({"how": "error_500"}, GatewayUnavailable, "server_error", 3),
    ({"how": "error_500_after"}, GatewayUnavailable, "server_error", 3),
    ({"how": "timeout_before"}, GatewayUnavailable, None, 3),
    (refusal(503), GatewayUnavailable, "server_error", 3),
    (refusal(409, "idempotency_key_in_use"), GatewayUnavailable, "idempotency_key_in_use", 3),
    (refusal(409, "lock_timeout"), GatewayUnavailable, "lock_timeout", 3),
    ({"how": "rate_limit"}, GatewayUnavailable, "rate_limited", 4),
    (refusal(429, "lock_timeout"), GatewayUnavailable, "rate_limited", 4),
    (refusal(400, "rate_limit"), GatewayUnavailable, "rate_limited", 4),
    (refusal(400, "email_invalid"), GatewayRefusal, "email_invalid", 1),
    (refusal(400), GatewayRefusal, None, 1),
    (refusal(404, "resource_missing"), GatewayRefusal, "resource_missing", 1),
    (refusal(400, type="idempotency_error"), GatewayError, "idempotency_key_reused", 1),
    (refusal(401), GatewayError, "authentication_failed", 1),
    (refusal(401, "api_key_expired"), GatewayError, "api_key_expired", 1),
    (refusal(403, "account_invalid"), GatewayError, "account_invalid", 1),
    (refusal(402, "card_declined"), PaymentDeclined, "card_declined", 1),
    (refusal(402, "expired_card"), PaymentDeclined, "expired_card", 1),
    (
        refusal(402, "authentication_required"),
        PaymentActionRequired,
        "authentication_required",
        1,
    ),
    (
        refusal(402, "card_declined", decline_code="authentication_required"),
        PaymentActionRequired,
        "card_declined",
        1,
    ),
    (
        refusal(402, "invoice_payment_intent_requires_action"),
        PaymentActionRequired,
        "invoice_payment_intent_requires_action",
        1,
    ),
]


@pytest.mark.parametrize(("fault", "kind", "code", "sent"), FAILURES)
def test_failure_becomes_our_error(
    gateway: StripeGateway,
    stripe_sandbox: Sandbox,
    saved: Saved,
    fault: dict[str, Any],
    kind: type[GatewayError],
    code: str | None,
    sent: int,
) -> None:
    stripe_sandbox.fail(UPDATE, times=99, **fault)

    with pytest.raises(GatewayError) as failed:
        update(gateway, saved)

    assert type(failed.value) is kind
    assert failed.value.code == code
    assert len(stripe_sandbox.requests) == sent


@pytest.mark.parametrize(
    ("how", "code"),
    [("error_500", "server_error"), ("timeout_before", None), ("rate_limit", "rate_limited")],
)
def test_every_call_says_whether_its_outcome_is_unknown(
    gateway: StripeGateway, stripe_sandbox: Sandbox, how: str, code: str | None
) -> None:
    stripe_sandbox.fail("* /v1/*", how=how, times=999)

    for name, call in CALLS.items():
        with pytest.raises(GatewayUnavailable) as failed:
            call(gateway)

        assert failed.value.code == code, name


def test_refusal_tells_parameter_and_request(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    stripe_sandbox.fail(UPDATE, how="refuse", code="email_invalid", param="email")

    with pytest.raises(GatewayRefusal) as refused:
        update(gateway, saved)

    assert refused.value.param == "email"
    assert refused.value.request_id == stripe_sandbox.requests[0].request_id


@pytest.mark.parametrize(
    ("fields", "never_again"),
    [
        ({"decline_code": "insufficient_funds", "advice_code": "try_again_later"}, False),
        ({"decline_code": "generic_decline", "advice_code": "do_not_try_again"}, True),
        ({"decline_code": "stolen_card"}, True),
        ({"decline_code": "lost_card"}, True),
        ({"decline_code": "a_new_one"}, False),
        ({}, False),
    ],
)
def test_decline_tells_whether_another_try_makes_sense(
    gateway: StripeGateway,
    stripe_sandbox: Sandbox,
    saved: Saved,
    fields: dict[str, Any],
    never_again: bool,
) -> None:
    stripe_sandbox.fail(UPDATE, how="refuse", status=402, code="card_declined", **fields)

    with pytest.raises(PaymentDeclined) as declined:
        update(gateway, saved)

    assert declined.value.never_again is never_again


@pytest.mark.parametrize(
    ("card", "kind"),
    [
        ("pm_card_chargeCustomerFail", PaymentDeclined),
        ("pm_card_authenticationRequired", PaymentActionRequired),
    ],
)
def test_hold_on_a_card_that_cannot_be_charged(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved, card: str, kind: type
) -> None:
    method = sdk.v1.payment_methods.attach(card, {"customer": saved.customer})

    with pytest.raises(PaymentDeclined) as declined:
        gateway.hold(saved.customer, method.id, 100, "eur", local_id=ROW)

    assert type(declined.value) is kind


@pytest.mark.parametrize("how", ["timeout_before", "timeout_after"])
def test_trouble_that_passes_is_not_noticed(
    gateway: StripeGateway,
    stripe_sandbox: Sandbox,
    saved: Saved,
    sdk: stripe.StripeClient,
    how: str,
) -> None:
    stripe_sandbox.fail(UPDATE, how=how)

    update(gateway, saved)

    keys = [request.idempotency_key for request in stripe_sandbox.requests]
    assert keys == ["details-1", "details-1"]
    assert sdk.v1.customers.retrieve(saved.customer).name == "Grace"


def test_wrong_key_is_ours_to_fix(make_gateway: Callable[..., StripeGateway]) -> None:
    with Sandbox(accounts={"sk_test_right": "acct_1"}) as sandbox:
        gateway = make_gateway(
            STRIPE_SECRET_KEY="sk_test_wrong_canary", STRIPE_API_BASE=sandbox.url
        )
        with pytest.raises(GatewayError, match="STRIPE_SECRET_KEY") as refused:
            gateway.account_id()

    assert type(refused.value) is GatewayError
    assert "canary" not in str(vars(refused.value)) + str(refused.value)


def test_nobody_at_the_address_leaves_the_outcome_unknown(
    make_gateway: Callable[..., StripeGateway],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

    with pytest.raises(GatewayUnavailable):
        make_gateway(STRIPE_API_BASE=f"http://127.0.0.1:{port}").account_id()


def test_answer_that_is_no_answer_leaves_the_outcome_unknown(
    make_gateway: Callable[..., StripeGateway], httpserver: Any
) -> None:
    httpserver.expect_request("/v1/account").respond_with_data("<h1>Bad gateway</h1>", status=502)

    with pytest.raises(GatewayUnavailable):
        make_gateway(STRIPE_API_BASE=httpserver.url_for("")).account_id()


#: Those that look at nothing in the answer: that there is one is enough.
SILENT = {
    "expire_setup_session",
    "remove_tax_id",
    "detach_payment_method",
    "delete_webhook_endpoint",
    "delete_draft",
}


@pytest.mark.parametrize("name", sorted(CALLS.keys() - SILENT))
def test_answer_of_no_known_shape_leaves_the_outcome_unknown(
    answering: Callable[[Any], StripeGateway], name: str
) -> None:
    for answer in ({}, [], None, [{"email": "canary@example.com"}]):
        with pytest.raises(GatewayUnavailable) as failed:
            CALLS[name](answering(answer))

        assert failed.value.code == "malformed_answer"
        assert failed.value.__context__ is None
        assert "canary" not in str(failed.value)


def test_reading_has_a_time_limit(
    make_gateway: Callable[..., StripeGateway], stripe_sandbox: Sandbox
) -> None:
    stripe_sandbox.fail("GET /v1/account", how="slow", seconds=3, times=99)
    gateway = make_gateway(STRIPE_TIMEOUT=(1, 0.1))
    started = time.monotonic()

    with pytest.raises(GatewayUnavailable):
        gateway.account_id()

    assert time.monotonic() - started < 2


def test_connecting_has_a_time_limit(make_gateway: Callable[..., StripeGateway]) -> None:
    with socket.socket() as full, socket.socket() as waiting, socket.socket() as another:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for client in (waiting, another):
            client.setblocking(False)
            client.connect_ex(full.getsockname())
        gateway = make_gateway(
            STRIPE_API_BASE=f"http://127.0.0.1:{full.getsockname()[1]}", STRIPE_TIMEOUT=(0.1, 30)
        )
        started = time.monotonic()

        with pytest.raises(GatewayUnavailable):
            gateway.account_id()

    assert time.monotonic() - started < 5


def test_method_that_stripe_does_not_know_is_none(gateway: StripeGateway) -> None:
    assert gateway.payment_method("pm_nobody") is None


def test_what_is_gone_already_may_be_taken_away_again(gateway: StripeGateway, saved: Saved) -> None:
    gateway.detach_payment_method(saved.method)
    tax_id = gateway.add_tax_id(saved.customer, "eu_vat", "DE123456789", key="tax-id-1")

    for _ in range(2):
        gateway.detach_payment_method(saved.method)
        gateway.remove_tax_id(saved.customer, tax_id.stripe_id)
    gateway.detach_payment_method("pm_nobody")

    found = gateway.payment_method(saved.method)
    assert found is not None
    assert found.customer_id is None
    assert gateway.customer(saved.customer).tax_ids == ()


def test_method_that_stays_attached_was_not_detached(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    stripe_sandbox.fail("POST /v1/payment_methods/*/detach", how="refuse", code="in_use")

    with pytest.raises(GatewayRefusal):
        gateway.detach_payment_method(saved.method)


def test_released_hold_may_be_released_again(gateway: StripeGateway, saved: Saved) -> None:
    hold = gateway.hold(saved.customer, saved.method, 100, "eur", local_id=ROW)

    states = [gateway.release_hold(hold.stripe_id).state for _ in range(2)]

    assert hold.state == "held"
    assert states == ["released", "released"]


def test_hold_that_was_captured_is_not_released(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    intent = sdk.v1.payment_intents.create(
        {
            "amount": 100,
            "currency": "eur",
            "customer": saved.customer,
            "payment_method": saved.method,
            "confirm": True,
            "off_session": True,
        }
    )

    with pytest.raises(GatewayRefusal):
        gateway.release_hold(intent.id)


def test_same_row_with_other_parameters_is_told_apart_from_a_refusal(
    gateway: StripeGateway,
) -> None:
    gateway.create_setup_session(setup_request())

    with pytest.raises(GatewayError) as refused:
        gateway.create_setup_session(setup_request(cancel_url="http://host.test/elsewhere"))

    assert refused.value.code == "idempotency_key_reused"
