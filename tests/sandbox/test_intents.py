"""Payment methods, setup intents and payment intents behave as Stripe's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests
import stripe

from flask_billing.sandbox.cards import CARDS, passes_luhn
from tests.sandbox.invoicing import saved_account

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox


@pytest.fixture
def customer(client: stripe.StripeClient) -> stripe.Customer:
    return client.v1.customers.create({})


def charge(
    client: stripe.StripeClient, customer: stripe.Customer, method: str, **more: Any
) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(
        {
            "amount": 1999,
            "currency": "eur",
            "customer": customer.id,
            "payment_method": method,
            "confirm": True,
            "off_session": True,
            **more,
        }
    )


def saved(client: stripe.StripeClient, customer: stripe.Customer, token: str) -> str:
    return client.v1.payment_methods.attach(token, {"customer": customer.id}).id


def error_of(raised: pytest.ExceptionInfo[stripe.CardError]) -> stripe.ErrorObject:
    assert isinstance(raised.value.error, stripe.ErrorObject)
    return raised.value.error


def test_every_number_passes_the_check_digit() -> None:
    assert [number for number in CARDS if not passes_luhn(number)] == []


# Payment methods


def test_test_token_gives_a_new_payment_method_each_time(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    first, second = (saved(client, customer, "pm_card_visa") for _ in range(2))

    methods = client.v1.customers.payment_methods.list(customer.id, {"type": "card"}).data
    assert [method.id for method in methods] == [second, first]
    assert first.startswith("pm_")


def test_detached_payment_method_is_spent(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved(client, customer, "pm_card_visa")
    client.v1.payment_methods.detach(method)

    assert client.v1.payment_methods.retrieve(method).customer is None
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        saved(client, customer, method)
    with pytest.raises(stripe.InvalidRequestError, match="may not be used again"):
        charge(client, customer, method)
    with pytest.raises(stripe.InvalidRequestError, match="not attached"):
        client.v1.payment_methods.detach(method)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.update(method, {"metadata": {"a": "1"}})


def test_payment_method_belongs_to_one_customer(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    other = client.v1.customers.create({})
    method = saved(client, customer, "pm_card_visa")

    with pytest.raises(stripe.InvalidRequestError):
        saved(client, other, method)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.payment_methods.retrieve(other.id, method)
    with pytest.raises(stripe.InvalidRequestError):
        charge(client, other, method)
    assert client.v1.payment_methods.list({"customer": other.id}).data == []


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card"),
        ("pm_card_chargeDeclinedIncorrectCvc", "incorrect_cvc"),
        ("pm_card_chargeDeclinedProcessingError", "processing_error"),
    ],
)
def test_declining_card_cannot_be_attached(
    client: stripe.StripeClient, customer: stripe.Customer, token: str, code: str
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        saved(client, customer, token)

    assert declined.value.code == code
    assert client.v1.customers.payment_methods.list(customer.id).data == []


def test_payment_method_is_updated(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    method = saved(client, customer, "pm_card_visa")

    changed = client.v1.payment_methods.update(
        method,
        {
            "card": {"exp_month": 1, "exp_year": 2040},
            "billing_details": {"name": "Ada", "address": {"city": "London"}},
            "metadata": {"a": "1"},
            "allow_redisplay": "always",
        },
    )

    assert changed.card is not None
    assert (changed.card.exp_month, changed.card.exp_year, changed.card.last4) == (1, 2040, "4242")
    assert changed.billing_details.name == "Ada"
    assert changed.allow_redisplay == "always"


def test_payment_method_is_made_of_a_card_token(client: stripe.StripeClient) -> None:
    made = client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_mastercard"}})

    assert made.card is not None
    assert (made.card.brand, made.customer) == ("mastercard", None)
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_methods.create({"type": "card", "card": {"token": "tok_nonsense"}})


# Setup intents


def test_setup_intent_is_confirmed(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    automatic: Any = {"enabled": True, "allow_redirects": "never"}
    intent = client.v1.setup_intents.create(
        {"customer": customer.id, "automatic_payment_methods": automatic}
    )

    done = client.v1.setup_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert intent.status == "requires_payment_method"
    assert (done.status, done.usage) == ("succeeded", "off_session")
    method = client.v1.payment_methods.retrieve(str(done.payment_method))
    assert method.customer == customer.id
    listed = client.v1.setup_intents.list({"customer": customer.id}).data
    assert [entry.id for entry in listed] == [intent.id]


def test_confirmation_that_may_redirect_needs_to_know_where_to(
    client: stripe.StripeClient,
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.setup_intents.create({"confirm": True, "payment_method": "pm_card_visa"})

    assert refused.value.param == "return_url"


def test_declined_setup_intent_waits_for_another_card(client: stripe.StripeClient) -> None:
    intent = client.v1.setup_intents.create({"allowed_payment_method_types": ["card"]})

    with pytest.raises(stripe.CardError) as declined:
        client.v1.setup_intents.confirm(
            intent.id, {"payment_method": "pm_card_visa_chargeDeclined"}
        )

    error = error_of(declined)
    assert error.setup_intent is not None
    assert error.setup_intent.id == intent.id
    after = client.v1.setup_intents.retrieve(intent.id, {"expand": ["latest_attempt"]})
    assert (after.status, after.payment_method) == ("requires_payment_method", None)
    assert isinstance(after.latest_attempt, stripe.SetupAttempt)
    assert after.latest_attempt.status == "failed"


def test_bank_page_answers_for_an_intent(
    client: stripe.StripeClient, customer: stripe.Customer, browser: requests.Session
) -> None:
    intent = client.v1.setup_intents.create(
        {
            "customer": customer.id,
            "confirm": True,
            "payment_method": "pm_card_authenticationRequiredOnSetup",
            "return_url": "http://host.test/after",
        }
    )
    assert intent.next_action is not None
    assert intent.next_action.redirect_to_url is not None
    url = str(intent.next_action.redirect_to_url.url)

    page = browser.get(url)
    answered = browser.post(url, data={"answer": "complete"}, allow_redirects=False)

    assert intent.status == "requires_action"
    assert "Complete authentication" in page.text
    assert answered.headers["Location"] == "http://host.test/after"
    assert client.v1.setup_intents.retrieve(intent.id).status == "succeeded"
    assert browser.get(url).status_code == 410


def test_cancelled_setup_intent_is_over(client: stripe.StripeClient) -> None:
    intent = client.v1.setup_intents.create({})

    cancelled = client.v1.setup_intents.cancel(intent.id, {"cancellation_reason": "abandoned"})

    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.setup_intents.cancel(intent.id)
    assert refused.value.code == "setup_intent_unexpected_state"


# Payment intents


def test_charge_succeeds_at_once(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    method = saved(client, customer, "pm_card_visa")

    paid = charge(client, customer, method, expand=["latest_charge"])

    assert (paid.status, paid.amount_received) == ("succeeded", 1999)
    assert isinstance(paid.latest_charge, stripe.Charge)
    assert (paid.latest_charge.captured, paid.latest_charge.amount) == (True, 1999)


def test_hold_is_captured_in_part_or_let_go(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved(client, customer, "pm_card_visa")
    held, other = (charge(client, customer, method, capture_method="manual") for _ in range(2))

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.payment_intents.capture(held.id, {"amount_to_capture": 2000})
    captured = client.v1.payment_intents.capture(held.id, {"amount_to_capture": 1000})
    cancelled = client.v1.payment_intents.cancel(other.id, {"expand": ["latest_charge"]})

    assert (held.status, held.amount_capturable) == ("requires_capture", 1999)
    assert (captured.status, captured.amount_received) == ("succeeded", 1000)
    assert (cancelled.status, cancelled.amount_capturable) == ("canceled", 0)
    assert isinstance(cancelled.latest_charge, stripe.Charge)
    assert cancelled.latest_charge.refunded


def test_forgotten_hold_is_let_go_after_a_week(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    held = charge(
        client, customer, saved(client, customer, "pm_card_visa"), capture_method="manual"
    )

    stripe_sandbox.advance(7 * 24 * 3600 + 1)

    after = client.v1.payment_intents.retrieve(held.id)
    assert (after.status, after.cancellation_reason) == ("canceled", "automatic")


@pytest.mark.parametrize(
    ("token", "code", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "card_declined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "card_declined", "insufficient_funds"),
        ("pm_card_visa_chargeDeclinedLostCard", "card_declined", "lost_card"),
        ("pm_card_chargeDeclinedExpiredCard", "expired_card", "expired_card"),
        ("pm_card_authenticationRequired", "authentication_required", "authentication_required"),
    ],
)
def test_decline_comes_with_the_intent(
    client: stripe.StripeClient,
    customer: stripe.Customer,
    token: str,
    code: str,
    decline_code: str,
) -> None:
    with pytest.raises(stripe.CardError) as declined:
        charge(client, customer, token)

    error = error_of(declined)
    assert (declined.value.http_status, declined.value.code) == (402, code)
    assert error.decline_code == decline_code
    assert error.payment_intent is not None
    assert error.payment_intent.status == "requires_payment_method"
    after = client.v1.payment_intents.retrieve(error.payment_intent.id)
    assert after.last_payment_error is not None
    assert after.last_payment_error.code == code
    failed = client.v1.charges.list({"payment_intent": after.id}).data
    assert [entry.status for entry in failed] == ["failed"]


def test_card_that_attaches_can_fail_later(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved(client, customer, "pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError, match="declined"):
        charge(client, customer, method)


def test_card_that_is_set_up_already_wants_its_holder_only_when_there(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved(client, customer, "pm_card_authenticationRequiredSetupForOffSession")

    away = charge(client, customer, method)
    there = charge(client, customer, method, off_session=False, return_url="http://host.test/")

    assert (away.status, there.status) == ("succeeded", "requires_action")


def test_charge_tells_its_risk(client: stripe.StripeClient, customer: stripe.Customer) -> None:
    found = {}
    for name in ("visa", "riskLevelElevated", "bypassPending"):
        method = saved(client, customer, f"pm_card_{name}")
        paid = charge(client, customer, method, expand=["latest_charge"])
        assert isinstance(paid.latest_charge, stripe.Charge)
        assert paid.latest_charge.outcome is not None
        found[name] = paid.latest_charge.outcome.risk_level

    assert found == {"visa": "normal", "riskLevelElevated": "elevated", "bypassPending": "normal"}


def test_account_is_debited_without_an_invoice(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved_account(client, customer.id, "pm_success_de")

    begun = charge(client, customer, method)
    stripe_sandbox.advance(61)

    settled = client.v1.payment_intents.retrieve(begun.id, {"expand": ["latest_charge"]})
    assert (begun.status, begun.amount_received) == ("processing", 0)
    assert (settled.status, settled.amount_received) == ("succeeded", 1999)
    assert isinstance(settled.latest_charge, stripe.Charge)
    details = settled.latest_charge.payment_method_details
    assert details is not None
    assert details.sepa_debit is not None
    assert (details.type, details.sepa_debit.last4) == ("sepa_debit", "3000")
    assert details.sepa_debit.mandate


@pytest.mark.parametrize(
    ("number", "outcome"),
    [
        ("4000002500003155", "succeeded"),
        ("4000003800000446", "succeeded"),
        ("4000002760003184", "authentication_required"),
        ("4000000000003220", "succeeded"),
        ("4000008260003178", "card_declined"),
        ("4000000000000341", "card_declined"),
    ],
)
def test_card_that_was_set_up_on_checkout_is_charged_as_published(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: stripe.Customer,
    number: str,
    outcome: str,
) -> None:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "currency": "eur",
            "success_url": "http://host.test/",
            "customer": customer.id,
        }
    )
    stripe_sandbox.complete_checkout(session.id, card=number)
    method = client.v1.customers.payment_methods.list(customer.id).data[0].id

    try:
        found = charge(client, customer, method).status
    except stripe.CardError as declined:
        found = str(declined.code)

    assert found == outcome


def test_person_confirms_a_payment_on_the_banks_page(
    client: stripe.StripeClient, customer: stripe.Customer, browser: requests.Session
) -> None:
    outcomes = []
    for answer in ("complete", "fail"):
        intent = client.v1.payment_intents.create(
            {
                "amount": 500,
                "currency": "usd",
                "customer": customer.id,
                "payment_method": "pm_card_authenticationRequired",
                "confirm": True,
                "return_url": "http://host.test/after",
            }
        )
        assert intent.next_action is not None
        assert intent.next_action.redirect_to_url is not None
        url = str(intent.next_action.redirect_to_url.url)
        browser.post(url, data={"answer": answer}, allow_redirects=False)
        outcomes.append(client.v1.payment_intents.retrieve(intent.id).status)

    assert outcomes == ["succeeded", "requires_payment_method"]


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"amount": 49}, "amount"),
        ({"amount": 100_000_000}, "amount"),
        ({"amount": -1}, "amount"),
        ({"amount": "19.99"}, "amount"),
        ({"currency": "dollars"}, "currency"),
        ({"confirm": False}, "off_session"),
        ({"payment_method": "pm_missing"}, "payment_method"),
    ],
)
def test_wrong_payment_is_refused(
    client: stripe.StripeClient, customer: stripe.Customer, params: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        charge(client, customer, method="pm_card_visa", **params)

    assert refused.value.param == param
    assert client.v1.payment_intents.list().data == []


# Events


def test_event_holds_the_object_as_it_was_then(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    client.v1.customers.update(customer.id, {"name": "Ada"}, {"idempotency_key": "key-1"})
    client.v1.customers.update(customer.id, {"name": "Grace"})

    events = client.v1.events.list({"type": "customer.updated"}).data

    assert [event.data.object["name"] for event in events] == ["Grace", "Ada"]
    assert events[0].data.to_dict()["previous_attributes"] == {"name": "Ada"}
    assert events[1].request is not None
    assert events[1].request.idempotency_key == "key-1"
    assert events[0].api_version == stripe.api_version
    assert client.v1.events.retrieve(events[0].id).id == events[0].id


def test_events_are_filtered_by_types_and_kept_for_a_month(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    method = saved(client, customer, "pm_card_visa")
    client.v1.payment_methods.detach(method)
    events = client.v1.events

    one = [e.type for e in events.list({"type": "payment_method.*"}).data]
    several = [
        e.type for e in events.list({"types": ["customer.created", "payment_method.attached"]}).data
    ]
    failed = events.list({"delivery_success": False}).data
    stripe_sandbox.advance(31 * 24 * 3600)

    assert one == ["payment_method.detached", "payment_method.attached"]
    assert several == ["payment_method.attached", "customer.created"]
    assert failed == []
    assert events.list().data == []


def test_update_that_changes_nothing_is_no_event(
    client: stripe.StripeClient, customer: stripe.Customer
) -> None:
    client.v1.customers.update(customer.id, {"name": ""})

    assert client.v1.events.list({"type": "customer.updated"}).data == []
