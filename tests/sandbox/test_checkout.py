"""Checkout sessions in setup mode, through the API and on the hosted page."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import requests
import stripe

from flask_billing.sandbox import CheckoutRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask_billing.sandbox import Sandbox

    Start = Callable[..., stripe.checkout.Session]

CARD = {"number": "4242 4242 4242 4242", "expiry": "12/34", "cvc": "123", "name": "Ada Lovelace"}
ADDRESS = {"line1": "Main St 1", "city": "Berlin", "postal_code": "10115", "country": "DE"}
PERSON = {"email": "ada@example.com"}
BASICS = {"mode": "setup", "currency": "usd", "success_url": "http://host.test/"}


def completed(client: stripe.StripeClient, session_id: str) -> stripe.checkout.Session:
    return client.v1.checkout.sessions.retrieve(
        session_id, {"expand": ["setup_intent.payment_method", "customer"]}
    )


def payment_method_of(session: stripe.checkout.Session) -> stripe.PaymentMethod:
    assert isinstance(session.setup_intent, stripe.SetupIntent)
    assert isinstance(session.setup_intent.payment_method, stripe.PaymentMethod)
    return session.setup_intent.payment_method


def errors_on(page: requests.Response) -> set[str]:
    return set(re.findall(r'<p class="error" id="(\w+)-error">', page.text))


# Starting


@pytest.mark.parametrize(
    ("params", "param", "code"),
    [
        ({"currency": ""}, "currency", "parameter_missing"),
        ({"success_url": ""}, "success_url", "parameter_missing"),
        ({"mode": "payment"}, "mode", None),
        ({"ui_mode": "hosted"}, "ui_mode", None),
        ({"ui_mode": "embedded"}, "ui_mode", None),
        ({"ui_mode": "custom"}, "ui_mode", None),
        ({"line_items": [{"price": "price_1"}]}, "line_items", None),
        (
            {"payment_method_types": ["card"]},
            "payment_method_types",
            "payment_method_types_no_longer_supported",
        ),
        ({"customer": "cus_missing"}, "customer", "resource_missing"),
        ({"customer_update": {"name": "auto"}}, "customer_update", None),
        ({"success_url": "/relative"}, "success_url", "url_invalid"),
        ({"expires_at": 1_800_000_000 + 29 * 60}, "expires_at", None),
        ({"expires_at": 1_800_000_000 + 24 * 3600 + 1}, "expires_at", None),
        ({"colour": "red"}, "colour", "parameter_unknown"),
    ],
)
def test_wrong_session_is_refused(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    params: dict[str, Any],
    param: str,
    code: str | None,
) -> None:
    stripe_sandbox.clock.freeze(1_800_000_000)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.checkout.sessions.create({**BASICS, **params})

    assert (refused.value.param, refused.value.code) == (param, code)


@pytest.mark.parametrize(
    "params",
    [
        {"customer_creation": "always"},
        {"customer_email": "a@example.com"},
        {"tax_id_collection": {"enabled": True}},
    ],
)
def test_what_contradicts_a_given_customer_is_refused(
    client: stripe.StripeClient, setup_session: Start, params: dict[str, Any]
) -> None:
    customer = client.v1.customers.create({})

    with pytest.raises(stripe.InvalidRequestError):
        setup_session(customer=customer.id, **params)


def test_payment_method_filter_does_for_the_currency(setup_session: Start) -> None:
    session = setup_session(currency="", allowed_payment_method_types=["card"])

    assert session.allowed_payment_method_types == ["card"]


def test_open_session_has_an_address_and_an_intent(
    stripe_sandbox: Sandbox, setup_session: Start
) -> None:
    stripe_sandbox.clock.freeze(1_800_000_000)

    session = setup_session(client_reference_id="7", setup_intent_data={"metadata": {"a": "1"}})

    assert session.id.startswith("cs_test_")
    assert session.url == f"{stripe_sandbox.url}/c/pay/{session.id}"
    assert (session.status, session.payment_status) == ("open", "no_payment_required")
    assert session.expires_at == 1_800_000_000 + 24 * 3600
    assert isinstance(session.setup_intent, str)
    assert session.client_reference_id == "7"
    assert session.customer is None


# Completing


def test_without_customer_creation_the_payment_method_stays_alone(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    session = setup_session()

    stripe_sandbox.complete_checkout(session.id)

    done = completed(client, session.id)
    assert (done.status, done.url, done.customer) == ("complete", None, None)
    assert payment_method_of(done).customer is None


def test_customer_creation_makes_one_with_an_email_alone(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    session = setup_session(customer_creation="always", billing_address_collection="required")

    stripe_sandbox.complete_checkout(session.id, email="ada@example.com", name="Ada Lovelace")

    done = completed(client, session.id)
    method = payment_method_of(done)
    assert isinstance(done.customer, stripe.Customer)
    assert method.customer == done.customer.id
    assert (done.customer.email, done.customer.name, done.customer.address) == (
        "ada@example.com",
        None,
        None,
    )
    assert method.billing_details.name == "Ada Lovelace"
    assert method.billing_details.address is not None
    assert method.billing_details.address.country == "GB"
    assert done.customer_details is not None
    assert "address" not in done.customer_details
    assert done.customer.invoice_settings is not None
    assert done.customer.invoice_settings.default_payment_method is None


def test_given_customer_gets_the_payment_method(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    customer = client.v1.customers.create({"email": "a@example.com", "name": "Before"})
    session = setup_session(customer=customer.id)

    stripe_sandbox.complete_checkout(session.id)

    methods = client.v1.customers.payment_methods.list(customer.id).data
    own = payment_method_of(completed(client, session.id)).id
    assert [method.id for method in methods] == [own]
    assert client.v1.customers.retrieve(customer.id).name == "Before"


def test_given_customer_is_updated_where_asked(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    customer = client.v1.customers.create({"name": "Before"})
    session = setup_session(
        customer=customer.id,
        customer_update={"name": "auto", "address": "auto"},
        name_collection={"business": {"enabled": True, "optional": True}},
        tax_id_collection={"enabled": True},
    )

    stripe_sandbox.complete_checkout(
        session.id, business_name="Engines Ltd", tax_id_type="gb_vat", tax_id="GB123456789"
    )

    after = client.v1.customers.retrieve(customer.id, {"expand": ["tax_ids"]})
    assert (after.name, after.business_name) == ("Engines Ltd", "Engines Ltd")
    assert after.address is not None
    assert after.address.city == "London"
    assert after.tax_ids is not None
    assert [tax_id.value for tax_id in after.tax_ids.data] == ["GB123456789"]


def test_completion_is_told_by_events(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    session = setup_session(customer_creation="always")

    stripe_sandbox.complete_checkout(session.id)

    types = [event.type for event in client.v1.events.list().data]
    assert types == [
        "checkout.session.completed",
        "payment_method.attached",
        "customer.created",
        "setup_intent.succeeded",
        "setup_intent.created",
    ]


def test_completed_session_can_be_neither_completed_nor_expired_again(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    session = setup_session()
    stripe_sandbox.complete_checkout(session.id)

    with pytest.raises(CheckoutRefused):
        stripe_sandbox.complete_checkout(session.id)
    with pytest.raises(stripe.InvalidRequestError, match="status of complete"):
        client.v1.checkout.sessions.expire(session.id)


def test_intent_of_a_session_is_the_sessions_alone(
    client: stripe.StripeClient, setup_session: Start
) -> None:
    intent = str(setup_session().setup_intent)

    with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
        client.v1.setup_intents.cancel(intent)
    with pytest.raises(stripe.InvalidRequestError, match="created by Checkout"):
        client.v1.setup_intents.confirm(intent, {"payment_method": "pm_card_visa"})


def test_session_expires_by_itself(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    session = setup_session()
    stripe_sandbox.advance(24 * 3600 + 1)

    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})

    assert (after.status, after.url) == ("expired", None)
    assert isinstance(after.setup_intent, stripe.SetupIntent)
    assert after.setup_intent.status == "canceled"
    with pytest.raises(CheckoutRefused):
        stripe_sandbox.complete_checkout(session.id)


def test_sessions_are_listed_by_state_and_customer(
    client: stripe.StripeClient, setup_session: Start
) -> None:
    customer = client.v1.customers.create({})
    first = setup_session(customer=customer.id)
    second = setup_session()
    client.v1.checkout.sessions.expire(second.id)
    sessions = client.v1.checkout.sessions

    assert [s.id for s in sessions.list({"status": "open"}).data] == [first.id]
    assert [s.id for s in sessions.list({"status": "expired"}).data] == [second.id]
    assert [s.id for s in sessions.list({"customer": customer.id}).data] == [first.id]


# Cards


@pytest.mark.parametrize(
    ("number", "code", "decline_code", "field"),
    [
        ("4000000000000002", "card_declined", "generic_decline", "number"),
        ("4000000000009995", "card_declined", "insufficient_funds", "number"),
        ("4000000000009987", "card_declined", "lost_card", "number"),
        ("4000000000009979", "card_declined", "stolen_card", "number"),
        ("4000000000006975", "card_declined", "card_velocity_exceeded", "number"),
        ("4000000000000069", "expired_card", "expired_card", "expiry"),
        ("4000000000000127", "incorrect_cvc", "incorrect_cvc", "cvc"),
        ("4000000000000119", "processing_error", "processing_error", "number"),
    ],
)
def test_declined_card_leaves_the_session_open_for_another(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    setup_session: Start,
    number: str,
    code: str,
    decline_code: str,
    field: str,
) -> None:
    session = setup_session(customer_creation="always")

    with pytest.raises(CheckoutRefused) as refused:
        stripe_sandbox.complete_checkout(session.id, card=number)

    intent = client.v1.setup_intents.retrieve(str(session.setup_intent))
    assert refused.value.errors.keys() == {field}
    assert "lost" not in str(refused.value)
    assert "stolen" not in str(refused.value)
    assert intent.status == "requires_payment_method"
    assert intent.last_setup_error is not None
    assert (intent.last_setup_error.code, intent.last_setup_error.decline_code) == (
        code,
        decline_code,
    )
    stripe_sandbox.complete_checkout(session.id)
    assert completed(client, session.id).status == "complete"
    assert len(client.v1.customers.list().data) == 1


@pytest.mark.parametrize(
    ("number", "brand", "country", "funding"),
    [
        ("4242424242424242", "visa", "US", "credit"),
        ("4000056655665556", "visa", "US", "debit"),
        ("5555555555554444", "mastercard", "US", "credit"),
        ("378282246310005", "amex", "US", "credit"),
        ("6011111111111117", "discover", "US", "credit"),
        ("4000002760000016", "visa", "DE", "credit"),
        ("4000008260000000", "visa", "GB", "credit"),
        ("4000000760000002", "visa", "BR", "credit"),
    ],
)
def test_card_is_what_its_number_says(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    setup_session: Start,
    number: str,
    brand: str,
    country: str,
    funding: str,
) -> None:
    session = setup_session()

    stripe_sandbox.complete_checkout(session.id, card=number, exp="04/31")

    card = payment_method_of(completed(client, session.id)).card
    assert card is not None
    assert (card.brand, card.country, card.funding) == (brand, country, funding)
    assert (card.last4, card.exp_month, card.exp_year) == (number[-4:], 4, 2031)


def test_fingerprint_belongs_to_the_number(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start
) -> None:
    prints = []
    for number in ("4242424242424242", "4242424242424242", "5555555555554444"):
        session = setup_session()
        stripe_sandbox.complete_checkout(session.id, card=number)
        card = payment_method_of(completed(client, session.id)).card
        assert card is not None
        prints.append(card.fingerprint)

    assert prints[0] == prints[1] != prints[2]


AUTHENTICATING = ["4000002500003155", "4000002760003184", "4000000000003220", "4000008260003178"]


@pytest.mark.parametrize("number", AUTHENTICATING)
def test_bank_is_asked_and_the_person_confirmed(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start, number: str
) -> None:
    session = setup_session()

    stripe_sandbox.complete_checkout(session.id, card=number)

    assert completed(client, session.id).status == "complete"
    assert "setup_intent.requires_action" in [e.type for e in client.v1.events.list().data]


@pytest.mark.parametrize("number", AUTHENTICATING)
def test_person_who_is_not_confirmed_can_try_another_card(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, setup_session: Start, number: str
) -> None:
    session = setup_session()

    with pytest.raises(CheckoutRefused):
        stripe_sandbox.complete_checkout(session.id, card=number, authenticate=False)

    intent = client.v1.setup_intents.retrieve(str(session.setup_intent))
    assert intent.last_setup_error is not None
    assert intent.last_setup_error.code == "setup_intent_authentication_failure"
    stripe_sandbox.complete_checkout(session.id)
    assert completed(client, session.id).status == "complete"


# The page


def test_page_is_completed_with_a_form_and_leads_back(
    client: stripe.StripeClient, browser: requests.Session, setup_session: Start
) -> None:
    session = setup_session(customer_creation="always", billing_address_collection="required")
    assert session.url is not None

    page = browser.get(session.url)
    sent = browser.post(session.url, data=CARD | PERSON | ADDRESS, allow_redirects=False)

    assert page.status_code == 200
    assert 'href="http://host.test/billing"' in page.text
    assert (sent.status_code, sent.headers["Location"]) == (
        303,
        f"http://host.test/back?session_id={session.id}",
    )
    assert completed(client, session.id).status == "complete"


def test_page_has_a_strict_policy_and_no_script(
    browser: requests.Session, setup_session: Start
) -> None:
    url = str(setup_session().url)

    page = browser.get(url)

    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert policy.endswith("form-action 'self' http://host.test")
    assert "<script" not in page.text
    assert "style=" not in page.text
    assert browser.get(url.split("/c/", maxsplit=1)[0] + "/c/sandbox.css").status_code == 200


@pytest.mark.parametrize(
    ("typed", "fields"),
    [
        ({"number": ""}, {"number"}),
        ({"number": "4242 4242 4242 4241"}, {"number"}),
        ({"number": "4111 1111 1111 1111"}, {"number"}),
        ({"number": "abc"}, {"number"}),
        ({"expiry": "01/20"}, {"expiry"}),
        ({"expiry": "13/34"}, {"expiry"}),
        ({"expiry": "soon"}, {"expiry"}),
        ({"cvc": "12"}, {"cvc"}),
        ({"number": "378282246310005"}, {"cvc"}),
        ({"name": " "}, {"name"}),
        ({"email": ""}, {"email"}),
        ({"email": "nobody"}, {"email"}),
        ({"line1": "", "city": "", "postal_code": "", "country": ""}, set(ADDRESS)),
        ({"number": "4000000000000002"}, {"number"}),
        ({"number": "4000000000000127"}, {"cvc"}),
    ],
)
def test_page_shows_errors_at_their_fields_and_keeps_what_was_typed(
    client: stripe.StripeClient,
    browser: requests.Session,
    setup_session: Start,
    typed: dict[str, str],
    fields: set[str],
) -> None:
    session = setup_session(customer_creation="always", billing_address_collection="required")
    form = CARD | PERSON | ADDRESS | typed

    page = browser.post(str(session.url), data=form, allow_redirects=False)

    assert page.status_code == 422
    assert errors_on(page) == fields
    assert form["city"] in page.text
    assert f'value="{form["name"]}"' in page.text
    assert form["number"] not in page.text.split("<details>")[0] or not form["number"]
    assert completed(client, session.id).status == "open"


def test_bank_page_completes_the_session(
    client: stripe.StripeClient, browser: requests.Session, setup_session: Start
) -> None:
    session = setup_session()
    url = str(session.url)
    form = CARD | PERSON | {"number": "4000002500003155"}

    asked = browser.post(url, data=form, allow_redirects=False)
    question = browser.get(f"{url}/challenge")
    failed = browser.post(f"{url}/challenge", data={"answer": "fail"}, allow_redirects=False)
    browser.post(url, data=form, allow_redirects=False)
    done = browser.post(f"{url}/challenge", data={"answer": "complete"}, allow_redirects=False)

    assert (asked.status_code, asked.headers["Location"]) == (303, f"/c/pay/{session.id}/challenge")
    assert "Complete authentication" in question.text
    assert (failed.status_code, errors_on(failed)) == (422, {"number"})
    assert 'value="Ada Lovelace"' in failed.text
    assert done.headers["Location"] == f"http://host.test/back?session_id={session.id}"
    assert completed(client, session.id).status == "complete"


def test_page_of_a_session_that_is_over_says_so(
    client: stripe.StripeClient,
    stripe_sandbox: Sandbox,
    browser: requests.Session,
    setup_session: Start,
) -> None:
    complete, expired = setup_session(), setup_session()
    stripe_sandbox.complete_checkout(complete.id)
    client.v1.checkout.sessions.expire(expired.id)

    for ask in (browser.get, browser.post):
        assert "is saved" in ask(str(complete.url)).text
        late = ask(str(expired.url))
        assert (late.status_code, "has expired" in late.text) == (410, True)
    missing = browser.get(f"{stripe_sandbox.url}/c/pay/cs_missing")
    assert (missing.status_code, "does not exist" in missing.text) == (404, True)
    unasked = browser.get(f"{complete.url}/challenge", allow_redirects=False)
    assert unasked.status_code == 303


def test_typed_text_cannot_break_out_of_the_page(
    browser: requests.Session, setup_session: Start
) -> None:
    form = CARD | PERSON | {"name": '"><script>alert(1)</script>', "number": ""}

    page = browser.post(str(setup_session().url), data=form)

    assert "<script" not in page.text


def test_page_asks_only_for_what_is_wanted(
    client: stripe.StripeClient, browser: requests.Session, setup_session: Start
) -> None:
    customer = client.v1.customers.create({"email": "a@example.com"})

    plain = browser.get(str(setup_session(customer=customer.id).url)).text
    full = browser.get(
        str(
            setup_session(
                phone_number_collection={"enabled": True},
                name_collection={"individual": {"enabled": True}},
                tax_id_collection={"enabled": True},
                billing_address_collection="required",
            ).url
        )
    ).text

    def fields(page: str) -> set[str]:
        return set(re.findall(r'name="(\w+)"', page)) - {"viewport"}

    card = {"number", "expiry", "cvc", "name", "country", "postal_code"}
    assert "a@example.com" in plain
    assert fields(plain) - {"color"} == card
    assert fields(full) - card - {"color"} == {
        "email",
        "phone",
        "individual_name",
        "tax_id_type",
        "tax_id",
        "line1",
        "line2",
        "city",
        "state",
    }
