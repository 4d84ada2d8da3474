"""Payments are disturbed, doubled, answered and counted on demand, over HTTP and without."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.paying import charge_of, customer_with, debit, pay

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from flask_billing.sandbox import Sandbox

    Issue = Callable[..., stripe.Invoice]
    MakeClient = Callable[..., stripe.StripeClient]

KEY = {"idempotency_key": "pay-1"}
DAY = 24 * 3600


@pytest.fixture
def issue(client: stripe.StripeClient) -> Issue:
    """Makes open invoices of ten euros that are charged to a card."""

    def make(token: str = "pm_card_visa") -> stripe.Invoice:
        customer, method = customer_with(client, token)
        invoice = client.v1.invoices.create(
            {"customer": customer, "currency": "eur", "default_payment_method": method}
        )
        client.v1.invoice_items.create(
            {"customer": customer, "invoice": invoice.id, "amount": 1000}
        )
        return client.v1.invoices.finalize_invoice(invoice.id)

    return make


def fresh(client: stripe.StripeClient, invoice: stripe.Invoice) -> stripe.Invoice:
    return client.v1.invoices.retrieve(invoice.id)


# Faults and keys


@pytest.mark.parametrize(
    ("how", "acted"),
    [
        ("timeout_before", False),
        ("timeout_after", True),
        ("error_500", False),
        ("error_500_after", True),
        ("error_503", False),
        ("rate_limit", False),
    ],
)
def test_payment_of_an_invoice_can_go_wrong_in_every_way(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue, how: str, acted: bool
) -> None:
    invoice, other = issue(), issue()
    stripe_sandbox.fail("POST /v1/invoices/*/pay", how=how)

    with pytest.raises(stripe.StripeError):
        client.v1.invoices.pay(invoice.id, {}, KEY)
    client.v1.invoices.pay(other.id)

    assert fresh(client, invoice).status == ("paid" if acted else "open")
    assert fresh(client, other).status == "paid"


@pytest.mark.parametrize("how", ["timeout_before", "timeout_after", "error_503", "rate_limit"])
def test_repetition_with_the_same_key_charges_once(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue, how: str
) -> None:
    invoice = issue()
    stripe_sandbox.fail("POST /v1/invoices/*/pay", how=how)
    with pytest.raises(stripe.StripeError):
        client.v1.invoices.pay(invoice.id, {}, KEY)

    repeated = client.v1.invoices.pay(invoice.id, {}, KEY)

    assert repeated.status == "paid"
    assert len(stripe_sandbox.objects("charge", customer=invoice.customer)) == 1


def test_stored_server_error_is_replayed_for_a_day(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)
    invoice = issue()
    stripe_sandbox.fail("POST /v1/invoices/*/pay", how="error_500")

    for passed in (0, DAY - 1):
        stripe_sandbox.advance(passed)
        with pytest.raises(stripe.APIError):
            client.v1.invoices.pay(invoice.id, {}, KEY)
    stripe_sandbox.advance(1)

    assert client.v1.invoices.pay(invoice.id, {}, KEY).status == "paid"


def test_decline_is_replayed_for_a_day_and_charges_nothing_meanwhile(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)
    invoice = issue("pm_card_chargeCustomerFail")

    for passed in (0, DAY - 1, 1):
        stripe_sandbox.advance(passed)
        with pytest.raises(stripe.CardError):
            client.v1.invoices.pay(invoice.id, {}, KEY)

    assert len(stripe_sandbox.objects("charge", status="failed")) == 2


def test_key_of_a_payment_is_refused_for_another_method(
    client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue("pm_card_chargeCustomerFail")
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id, {}, KEY)
    better = client.v1.payment_methods.attach("pm_card_visa", {"customer": str(invoice.customer)})

    with pytest.raises(stripe.IdempotencyError):
        client.v1.invoices.pay(invoice.id, {"payment_method": better.id}, KEY)


# Outages


def test_outage_lasts_until_it_is_lifted(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue()

    stripe_sandbox.begin_outage()
    for call in (lambda: client.v1.invoices.pay(invoice.id, {}, KEY), client.v1.customers.list):
        with pytest.raises(stripe.APIError) as down:
            call()
        assert down.value.http_status == 503
    stripe_sandbox.advance(3 * DAY)
    with pytest.raises(stripe.APIError):
        client.v1.invoices.pay(invoice.id, {}, KEY)
    stripe_sandbox.end_outage()

    assert client.v1.invoices.pay(invoice.id, {}, KEY).status == "paid"


def test_outage_can_be_silence_and_comes_before_what_is_scripted(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session
) -> None:
    control = f"{stripe_sandbox.url}/_sandbox"
    stripe_sandbox.fail("GET /v1/customers", how="rate_limit")

    wrong = browser.post(f"{control}/outage", json={"how": "sometimes"})
    browser.post(f"{control}/outage", json={"how": "timeout_before"})
    with pytest.raises(stripe.APIConnectionError):
        client.v1.customers.list()
    browser.delete(f"{control}/outage", json={})
    with pytest.raises(stripe.RateLimitError):
        client.v1.customers.list()

    assert wrong.status_code == 400
    assert client.v1.customers.list().data == []


# Double payments


def test_invoice_is_paid_in_the_dashboard(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = issue()

    stripe_sandbox.pay_out_of_band(invoice.id)

    paid = fresh(client, invoice)
    assert (paid.status, paid.amount_paid_off_stripe) == ("paid", 1000)
    assert stripe_sandbox.objects("charge") == []
    with pytest.raises(ValueError, match="is paid"):
        stripe_sandbox.pay_out_of_band(invoice.id)


def test_second_payment_intent_pays_an_open_invoice(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    invoice, other = issue(), issue()

    intent = stripe_sandbox.pay_again(invoice.id)

    payments = client.v1.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data
    assert fresh(client, invoice).status == "paid"
    assert fresh(client, other).status == "open"
    assert [payment.payment.payment_intent for payment in payments] == [intent]


def test_second_payment_of_a_paid_invoice_is_credited_to_the_balance(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, issue: Issue
) -> None:
    invoice = client.v1.invoices.pay(issue().id)

    stripe_sandbox.pay_again(invoice.id)

    paid = fresh(client, invoice)
    assert (paid.amount_paid, paid.amount_overpaid) == (1000, 1000)
    assert client.v1.customers.retrieve(str(invoice.customer)).balance == -1000
    charges = stripe_sandbox.objects("charge", customer=invoice.customer, status="succeeded")
    assert [charge["amount"] for charge in charges] == [1000, 1000]


def test_second_payment_can_be_made_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session, issue: Issue
) -> None:
    invoice, other = issue(), issue()
    control = f"{stripe_sandbox.url}/_sandbox/invoices"

    part = browser.post(f"{control}/{invoice.id}/pay_again", json={"amount": 400})
    declined = browser.post(f"{control}/{invoice.id}/pay_again", json={"card": "4000000000000002"})
    elsewhere = browser.post(f"{control}/{other.id}/pay_out_of_band", json={})

    assert client.v1.payment_intents.retrieve(part.json()["id"]).status == "succeeded"
    assert fresh(client, invoice).amount_remaining == 600
    assert (declined.status_code, "declined" in declined.json()["error"]) == (400, True)
    assert elsewhere.json() == {"ok": True}
    assert fresh(client, other).status == "paid"


# Banks


@pytest.mark.parametrize(
    ("succeeds", "status"), [(True, "succeeded"), (False, "requires_payment_method")]
)
def test_bank_answers_to_a_debit_on_demand(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    browser: requests.Session,
    succeeds: bool,
    status: str,
) -> None:
    intent, other = debit(client), debit(client)
    control = f"{stripe_sandbox.url}/_sandbox/payment_intents"

    stripe_sandbox.answer_debit(intent.id, succeeds=succeeds)
    again = browser.post(f"{control}/{intent.id}/answer_debit", json={})

    assert client.v1.payment_intents.retrieve(intent.id).status == status
    assert client.v1.payment_intents.retrieve(other.id).status == "processing"
    assert again.status_code == 400
    assert "under way" in again.json()["error"]


def test_bank_warns_of_fraud_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session
) -> None:
    charge = charge_of(pay(client))
    address = f"{stripe_sandbox.url}/_sandbox/charges/{charge}/warn_of_fraud"

    made = browser.post(address, json={"fraud_type": "misc"})
    odd = browser.post(address, json={"fraud_type": "odd"})

    warning = client.v1.radar.early_fraud_warnings.retrieve(made.json()["id"])
    assert (warning.charge, warning.fraud_type) == (charge, "misc")
    assert odd.status_code == 400


# Counting


def test_objects_are_counted_without_a_request(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    make_client: MakeClient,
    browser: requests.Session,
) -> None:
    intents: list[Any] = [pay(client), pay(client)]
    gone = client.v1.customers.create({}).id
    client.v1.customers.delete(gone)
    make_client(stripe_sandbox, "sk_live_sandbox").v1.customers.create({})
    stripe_sandbox.begin_outage()
    asked = len(stripe_sandbox.requests)

    charges = stripe_sandbox.objects("charge")
    one = stripe_sandbox.objects("charge", payment_intent=intents[1].id)
    customers = stripe_sandbox.objects("customer")
    listed = browser.get(f"{stripe_sandbox.url}/_sandbox/objects/charge").json()["objects"]

    assert [charge["id"] for charge in charges] == [charge_of(intent) for intent in intents]
    assert [charge["id"] for charge in one] == [charge_of(intents[1])]
    assert [found["id"] for found in customers] == [intents[0].customer, intents[1].customer, gone]
    assert customers[-1]["deleted"]
    assert len(stripe_sandbox.objects("customer", livemode=True)) == 1
    assert listed == charges
    assert not any(name.startswith("_") for name in stripe_sandbox.objects("payment_method")[0])
    assert len(stripe_sandbox.requests) == asked
