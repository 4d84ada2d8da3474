"""Bank accounts are saved with a mandate, which the bank can end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from flask_billing.sandbox import CheckoutRefused
from tests.sandbox.test_checkout import ADDRESS, PERSON, completed, errors_on, payment_method_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from flask_billing.sandbox import Sandbox
    from tests.sandbox.receiving import Receiver

    Start = Callable[..., stripe.checkout.Session]

GERMAN = "DE89370400440532013000"
DUTCH = "NL39RABO0300065264"
ACCEPTED: Any = {
    "customer_acceptance": {
        "type": "online",
        "online": {"ip_address": "203.0.113.7", "user_agent": "Browser"},
    }
}
ON_THE_PAGE = {"payment_method_type": "sepa_debit", "name": "Ada Lovelace", **PERSON}


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"email": "ada@example.com"}).id


def set_up(client: stripe.StripeClient, customer: str, token: str = "pm_success_de") -> str:
    """Save a bank account through the API, and give the id of its mandate."""
    intent = client.v1.setup_intents.create(
        {
            "customer": customer,
            "payment_method": token,
            "confirm": True,
            "mandate_data": ACCEPTED,
            "automatic_payment_methods": {"enabled": True, "allow_redirects": "never"},
        }
    )
    return str(intent.mandate)


def last_event(client: stripe.StripeClient) -> dict[str, Any]:
    return client.v1.events.list({"limit": 1}).data[0].to_dict()


# Through the API


def test_bank_account_that_is_set_up_has_an_active_mandate(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)

    mandate = client.v1.mandates.retrieve(set_up(client, customer), {"expand": ["payment_method"]})

    method = mandate.payment_method
    assert isinstance(method, stripe.PaymentMethod)
    assert (mandate.status, mandate.type, mandate.livemode) == ("active", "multi_use", False)
    assert (method.type, method.customer) == ("sepa_debit", customer)
    assert mandate.payment_method_details.type == "sepa_debit"
    assert mandate.customer_acceptance.to_dict() == {
        "accepted_at": 1_900_000_000,
        **ACCEPTED["customer_acceptance"],
    }
    assert "mandate.updated" not in [event.type for event in client.v1.events.list().data]


def test_each_account_has_a_mandate_of_its_own(client: stripe.StripeClient, customer: str) -> None:
    mandates = [set_up(client, customer), set_up(client, customer, "pm_success_nl")]

    found = [client.v1.mandates.retrieve(mandate) for mandate in mandates]

    saved = client.v1.customers.payment_methods.list(customer).data
    references = {m.payment_method_details.to_dict()["sepa_debit"]["reference"] for m in found}
    assert [mandate.payment_method for mandate in found] == [method.id for method in saved[::-1]]
    assert len(references) == 2


def test_card_has_no_mandate(client: stripe.StripeClient, customer: str) -> None:
    intent = client.v1.setup_intents.create(
        {
            "customer": customer,
            "payment_method": "pm_card_visa",
            "confirm": True,
            "return_url": "http://host.test/",
        }
    )

    assert (intent.status, intent.mandate) == ("succeeded", None)


def test_account_shows_its_bank_and_the_end_of_its_number(client: stripe.StripeClient) -> None:
    shown = []
    for iban in ("de89 3704 0044 0532 0130 00", GERMAN, "FR1420041010050500013M02606"):
        params: Any = {"type": "sepa_debit", "sepa_debit": {"iban": iban}}
        method = client.v1.payment_methods.create(params)
        assert method.sepa_debit is not None
        shown.append(method.sepa_debit)

    first, second, french = shown
    assert (first.country, first.bank_code, first.last4) == ("DE", "37040044", "3000")
    assert (french.bank_code, french.branch_code, french.last4) == ("20041", "01005", "2606")
    assert first.fingerprint == second.fingerprint != french.fingerprint
    assert "card" not in method


@pytest.mark.parametrize("iban", ["DE91100000000123456789", "DE1", "4242424242424242"])
def test_account_that_is_none_of_stripes_is_refused(client: stripe.StripeClient, iban: str) -> None:
    params: Any = {"type": "sepa_debit", "sepa_debit": {"iban": iban}}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.payment_methods.create(params)

    assert refused.value.param == "sepa_debit[iban]"
    assert iban not in str(refused.value)


def test_account_is_not_set_up_without_consent_nor_where_its_kind_is_left_out(
    client: stripe.StripeClient, customer: str
) -> None:
    confirming: Any = {"customer": customer, "payment_method": "pm_success_de", "confirm": True}
    back = {"return_url": "http://host.test/"}
    cards_only = {"allowed_payment_method_types": ["card"], "mandate_data": ACCEPTED}

    for wrong, param in ((back, "mandate_data"), (cards_only, "payment_method")):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            client.v1.setup_intents.create({**confirming, **wrong})
        assert refused.value.param == param
    assert client.v1.customers.payment_methods.list(customer).data == []


def test_account_is_no_card(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    method = str(client.v1.mandates.retrieve(set_up(client, customer)).payment_method)

    with pytest.raises(stripe.InvalidRequestError, match="of type card"):
        client.v1.payment_methods.update(method, {"card": {"exp_month": 1}})
    with pytest.raises(LookupError, match="No card"):
        stripe_sandbox.update_card_automatically(method, exp_month=1)
    assert client.v1.payment_methods.detach(method).customer is None


# What the bank tells


@pytest.mark.parametrize("status", ["inactive", "pending"])
def test_change_of_a_mandate_is_told(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: str,
    receiver: Receiver,
    status: str,
) -> None:
    mandate, other = set_up(client, customer), set_up(client, customer, "pm_success_nl")
    stripe_sandbox.webhooks.deliver()
    receiver.bodies.clear()

    stripe_sandbox.set_mandate_status(mandate, status)
    stripe_sandbox.set_mandate_status(mandate, status)
    stripe_sandbox.webhooks.deliver()

    (told,) = receiver.bodies
    assert told["type"] == "mandate.updated"
    assert told["data"]["object"] == client.v1.mandates.retrieve(mandate).to_dict()
    assert told["data"]["object"]["status"] == status
    assert told["data"]["previous_attributes"] == {"status": "active"}
    assert told["request"] == {"id": None, "idempotency_key": None}
    assert client.v1.mandates.retrieve(other).status == "active"


def test_mandate_is_changed_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str, browser: requests.Session
) -> None:
    mandate = set_up(client, customer)
    control = f"{stripe_sandbox.url}/_sandbox/mandates"

    done = browser.post(f"{control}/{mandate}/status", json={"status": "inactive"})
    wrong = [
        browser.post(f"{control}/{mandate}/status", json={"status": "cancelled"}),
        browser.post(f"{control}/{mandate}/status", json={"colour": "red"}),
        browser.post(f"{control}/{customer}/status", json={"status": "active"}),
        browser.post(f"{control}/mandate_missing/status", json={"status": "active"}),
    ]

    assert done.json() == {"ok": True}
    assert [answer.status_code for answer in wrong] == [400] * 4
    assert client.v1.mandates.retrieve(mandate).status == "inactive"
    assert last_event(client)["data"]["previous_attributes"] == {"status": "active"}


# On the hosted page


def test_page_saves_a_bank_account(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    sessions = [setup_session(currency="eur", customer_creation="always") for _ in range(2)]

    stripe_sandbox.complete_checkout(sessions[0].id, iban="NL39 RABO 0300 0652 64")
    stripe_sandbox.complete_checkout(sessions[1].id)

    account, card = (completed(client, session.id) for session in sessions)
    assert (payment_method_of(account).type, payment_method_of(card).type) == ("sepa_debit", "card")
    assert payment_method_of(account).billing_details.name == "Ada Lovelace"
    assert isinstance(account.customer, stripe.Customer)
    assert payment_method_of(account).customer == account.customer.id
    assert isinstance(account.setup_intent, stripe.SetupIntent)
    assert isinstance(card.setup_intent, stripe.SetupIntent)
    mandate = client.v1.mandates.retrieve(str(account.setup_intent.mandate))
    assert mandate.payment_method == payment_method_of(account).id
    assert card.setup_intent.mandate is None


@pytest.mark.parametrize(
    ("params", "kinds"),
    [
        ({"currency": "usd"}, ["card"]),
        ({"currency": "EUR"}, ["card", "sepa_debit"]),
        ({"currency": "eur", "excluded_payment_method_types": ["sepa_debit"]}, ["card"]),
        ({"currency": "eur", "excluded_payment_method_types": ["card"]}, ["sepa_debit"]),
        ({"currency": "", "allowed_payment_method_types": ["sepa_debit", "link"]}, ["sepa_debit"]),
    ],
)
def test_page_offers_bank_accounts_in_euros_unless_they_are_left_out(
    setup_session: Start, browser: requests.Session, params: dict[str, Any], kinds: list[str]
) -> None:
    session = setup_session(**params)

    page = browser.get(str(session.url)).text

    assert session.payment_method_types == kinds
    assert ('name="number"' in page) == ("card" in kinds)
    assert ('name="iban"' in page) == ("sepa_debit" in kinds)
    assert page.count('type="radio"') == (2 if len(kinds) == 2 else 0)


def test_session_that_leaves_nothing_to_save_is_refused(setup_session: Start) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        setup_session(currency="usd", allowed_payment_method_types=["sepa_debit"])

    assert refused.value.param == "allowed_payment_method_types"


def test_account_is_refused_where_the_page_does_not_offer_it(
    stripe_sandbox: Sandbox, setup_session: Start
) -> None:
    with pytest.raises(CheckoutRefused) as refused:
        stripe_sandbox.complete_checkout(setup_session(currency="usd").id, iban=GERMAN)

    assert refused.value.errors.keys() == {"payment_method_type"}


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"iban": ""}, {"iban"}),
        ({"iban": "DE88370400440532013000"}, {"iban"}),
        ({"iban": "DE91100000000123456789"}, {"iban"}),
        ({"iban": "٣٣"}, {"iban"}),
        ({"iban": DUTCH, "payment_method_type": "cash"}, {"payment_method_type"}),
        ({"iban": DUTCH, "payment_method_type": "card"}, {"number", "expiry", "cvc"}),
        ({"iban": DUTCH, "name": ""}, {"name"}),
    ],
)
def test_page_shows_what_is_wrong_with_an_account(
    browser: requests.Session, setup_session: Start, typed: dict[str, str], fields: set[str]
) -> None:
    session = setup_session(currency="eur")

    page = browser.post(str(session.url), data=ON_THE_PAGE | ADDRESS | typed)

    chosen = (ON_THE_PAGE | typed)["payment_method_type"]
    assert page.status_code == 422
    assert errors_on(page) == fields
    assert (f'value="{chosen}" checked' in page.text) == (chosen != "cash")
    assert DUTCH not in page.text.split("<details>")[0]


def test_page_takes_an_account_with_a_plain_form(
    client: stripe.StripeClient, browser: requests.Session, setup_session: Start
) -> None:
    session = setup_session(currency="eur")

    sent = browser.post(
        str(session.url), data=ON_THE_PAGE | {"iban": DUTCH, "number": ""}, allow_redirects=False
    )

    assert sent.status_code == 303
    assert payment_method_of(completed(client, session.id)).type == "sepa_debit"
