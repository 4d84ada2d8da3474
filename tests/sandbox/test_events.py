"""Each change is told by its event, which can be listed and retrieved for thirty days."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from flask_billing.sandbox import CheckoutRefused

if TYPE_CHECKING:
    from collections.abc import Callable

    import requests

    from flask_billing.sandbox import Sandbox

DAY = 24 * 3600


@pytest.fixture
def customer(client: stripe.StripeClient) -> str:
    return client.v1.customers.create({"name": "Ada", "email": "ada@example.com"}).id


@pytest.fixture
def card(client: stripe.StripeClient, customer: str) -> str:
    return client.v1.payment_methods.attach("pm_card_visa", {"customer": customer}).id


def events_since(client: stripe.StripeClient, last: str) -> list[dict[str, Any]]:
    page = client.v1.events.list({"limit": 100, "ending_before": last})
    return [event.to_dict() for event in reversed(page.data)]


def last_event(client: stripe.StripeClient) -> str:
    return client.v1.events.list({"limit": 1}).data[0].id


# What is told


def test_deleted_customer_says_so_and_its_cards_are_detached(
    client: stripe.StripeClient, customer: str, card: str
) -> None:
    other = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer}).id
    settings: Any = {"default_payment_method": card}
    client.v1.customers.update(customer, {"invoice_settings": settings})
    last = last_event(client)

    client.v1.customers.delete(customer)

    told = events_since(client, last)
    detached = [e["data"] for e in told if e["type"] == "payment_method.detached"]
    assert told[-1]["type"] == "customer.deleted"
    assert told[-1]["data"]["object"]["id"] == customer
    assert told[-1]["data"]["object"]["name"] == "Ada"
    assert told[-1]["data"]["object"]["invoice_settings"]["default_payment_method"] is None
    assert {data["object"]["id"] for data in detached} == {card, other}
    assert all(data["object"]["customer"] is None for data in detached)
    assert all(data["previous_attributes"] == {"customer": customer} for data in detached)
    assert client.v1.customers.retrieve(customer).to_dict() == {
        "id": customer,
        "object": "customer",
        "deleted": True,
    }
    assert client.v1.payment_methods.retrieve(card).customer is None


def test_checkout_of_a_deleted_customer_is_refused(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: str,
    setup_session: Callable[..., stripe.checkout.Session],
) -> None:
    session = setup_session(customer=customer)
    client.v1.customers.delete(customer)

    with pytest.raises(CheckoutRefused, match="customer of this session was deleted"):
        stripe_sandbox.complete_checkout(session.id)


def test_detached_card_names_its_old_customer(
    client: stripe.StripeClient, customer: str, card: str
) -> None:
    last = last_event(client)

    client.v1.payment_methods.detach(card, {}, {"idempotency_key": "key-1"})

    (told,) = events_since(client, last)
    assert told["type"] == "payment_method.detached"
    assert told["data"]["object"]["customer"] is None
    assert told["data"]["previous_attributes"] == {"customer": customer}
    assert told["request"]["idempotency_key"] == "key-1"


def test_card_network_renews_a_card_without_a_request(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, card: str
) -> None:
    before = client.v1.payment_methods.retrieve(card).to_dict()["card"]
    last = last_event(client)

    stripe_sandbox.update_card_automatically(card, exp_month=2, exp_year=2042)

    (told,) = events_since(client, last)
    after = client.v1.payment_methods.retrieve(card).to_dict()["card"]
    assert told["type"] == "payment_method.automatically_updated"
    assert told["request"] == {"id": None, "idempotency_key": None}
    assert told["data"]["object"]["card"] == after
    assert told["data"]["previous_attributes"]["card"] == {
        "exp_month": before["exp_month"],
        "exp_year": before["exp_year"],
    }
    assert (after["exp_month"], after["exp_year"]) == (2, 2042)
    assert after["fingerprint"] == before["fingerprint"]


def test_renewed_card_can_have_another_number(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str, card: str
) -> None:
    stripe_sandbox.update_card_automatically(card, number="4000000000000341")

    found = client.v1.payment_methods.retrieve(card)
    assert found.card is not None
    assert found.card.last4 == "0341"
    with pytest.raises(stripe.CardError):
        client.v1.payment_intents.create(
            {
                "amount": 500,
                "currency": "usd",
                "customer": customer,
                "payment_method": card,
                "confirm": True,
                "off_session": True,
            }
        )


def test_card_network_renews_over_http_and_attached_cards_only(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, card: str, browser: requests.Session
) -> None:
    control = f"{stripe_sandbox.url}/_sandbox/payment_methods"
    loose = client.v1.payment_methods.retrieve("pm_card_visa").id

    done = browser.post(f"{control}/{card}/update_automatically", json={"exp_month": 3})

    found = client.v1.payment_methods.retrieve(card)
    assert done.json() == {"ok": True}
    assert found.card is not None
    assert found.card.exp_month == 3
    for wrong in (loose, "pm_missing"):
        with pytest.raises(LookupError, match="attached to a customer"):
            stripe_sandbox.update_card_automatically(wrong, exp_month=3)


def test_changed_card_tells_what_was_before(client: stripe.StripeClient, card: str) -> None:
    client.v1.payment_methods.update(card, {"metadata": {"a": "1"}, "card": {"exp_month": 1}})

    event = client.v1.events.list({"limit": 1}).data[0].to_dict()
    assert event["type"] == "payment_method.updated"
    assert event["data"]["previous_attributes"] == {
        "card": {"exp_month": 12},
        "metadata": {"a": None},
    }


def test_changed_customer_tells_what_was_before(client: stripe.StripeClient, customer: str) -> None:
    address: Any = {"line1": "Row 1", "city": "London"}
    client.v1.customers.update(customer, {"address": address, "metadata": {"a": "1", "b": "2"}})
    notes: Any = {"custom_fields": [{"name": "Note", "value": "7"}]}
    last = last_event(client)

    client.v1.customers.update(
        customer,
        {
            "name": "Ada King",
            "email": "ada@example.com",
            "business_name": "Engines",
            "address": {"city": "Paris"},
            "metadata": {"a": "3", "b": "", "c": "4"},
            "preferred_locales": ["fr"],
            "invoice_settings": notes,
        },
        {"idempotency_key": "key-2"},
    )
    client.v1.customers.update(customer, {"address": ""})
    client.v1.customers.update(customer, {"name": "Ada King"})

    changed, cleared = events_since(client, last)
    assert (changed["type"], cleared["type"]) == ("customer.updated", "customer.updated")
    assert changed["request"]["idempotency_key"] == "key-2"
    assert changed["data"]["object"]["name"] == "Ada King"
    assert changed["data"]["previous_attributes"] == {
        "name": "Ada",
        "business_name": None,
        "address": {"city": "London"},
        "metadata": {"a": "1", "b": "2", "c": None},
        "preferred_locales": [],
        "invoice_settings": {"custom_fields": None},
    }
    assert cleared["data"]["object"]["address"] is None
    assert cleared["data"]["previous_attributes"]["address"]["city"] == "Paris"


def test_checkout_names_a_request_only_where_one_caused_it(
    stripe_sandbox: Sandbox,
    client: stripe.StripeClient,
    customer: str,
    setup_session: Callable[..., stripe.checkout.Session],
) -> None:
    paid, ended, forgotten = (setup_session(customer=customer) for _ in range(3))
    last = last_event(client)

    with pytest.raises(CheckoutRefused):
        stripe_sandbox.complete_checkout(paid.id, card="4000000000000002")
    stripe_sandbox.complete_checkout(paid.id)
    client.v1.checkout.sessions.expire(ended.id, {}, {"idempotency_key": "key-3"})
    stripe_sandbox.advance(25 * 3600)

    failed, attached, succeeded, completed, *rest = events_since(client, last)
    assert [e["type"] for e in (failed, attached, succeeded, completed)] == [
        "setup_intent.setup_failed",
        "payment_method.attached",
        "setup_intent.succeeded",
        "checkout.session.completed",
    ]
    assert failed["data"]["object"]["last_setup_error"]["decline_code"] == "generic_decline"
    assert succeeded["data"]["object"]["payment_method"] == attached["data"]["object"]["id"]
    assert completed["data"]["object"]["setup_intent"] == succeeded["data"]["object"]["id"]
    assert all(
        e["request"] == {"id": None, "idempotency_key": None}
        for e in (failed, attached, succeeded, completed)
    )
    assert [(e["type"], e["request"]["idempotency_key"]) for e in rest] == [
        ("setup_intent.canceled", "key-3"),
        ("checkout.session.expired", "key-3"),
        ("setup_intent.canceled", None),
        ("checkout.session.expired", None),
    ]
    assert [e["data"]["object"]["id"] for e in rest[1::2]] == [ended.id, forgotten.id]


def test_tax_id_is_told_from_creation_to_deletion(
    client: stripe.StripeClient, customer: str
) -> None:
    last = last_event(client)

    made = client.v1.customers.tax_ids.create(customer, {"type": "eu_vat", "value": "DE123456789"})
    client.v1.customers.tax_ids.delete(customer, made.id)

    told = events_since(client, last)
    assert [event["type"] for event in told] == [
        "customer.tax_id.created",
        "customer.tax_id.updated",
        "customer.tax_id.deleted",
    ]
    assert told[0]["request"]["id"] is not None
    assert told[1]["request"]["id"] is None
    assert told[1]["data"]["previous_attributes"]["verification"]["status"] == "pending"
    assert all(event["data"]["object"]["customer"] == customer for event in told)


def test_setup_is_told_from_creation_to_its_end(client: stripe.StripeClient, customer: str) -> None:
    setups = client.v1.setup_intents
    back: Any = {"customer": customer, "confirm": True, "return_url": "http://host.test/"}
    last = last_event(client)

    setups.create({**back, "payment_method": "pm_card_visa"})
    waiting = setups.create({**back, "payment_method": "pm_card_authenticationRequired"})
    setups.cancel(waiting.id)
    with pytest.raises(stripe.CardError):
        setups.create({**back, "payment_method": "pm_card_visa_chargeDeclined"})

    assert [event["type"] for event in events_since(client, last)] == [
        "setup_intent.created",
        "payment_method.attached",
        "setup_intent.succeeded",
        "setup_intent.created",
        "setup_intent.requires_action",
        "setup_intent.canceled",
        "setup_intent.created",
        "setup_intent.setup_failed",
    ]


def test_payment_is_told_from_creation_to_its_end(
    client: stripe.StripeClient, customer: str, card: str
) -> None:
    basics: Any = {
        "amount": 500,
        "currency": "usd",
        "customer": customer,
        "payment_method": card,
        "confirm": True,
        "off_session": True,
    }
    last = last_event(client)

    client.v1.payment_intents.create(basics)
    held = client.v1.payment_intents.create({**basics, "capture_method": "manual"})
    client.v1.payment_intents.capture(held.id)

    assert [event["type"] for event in events_since(client, last)] == [
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.succeeded",
        "payment_intent.created",
        "charge.succeeded",
        "payment_intent.amount_capturable_updated",
        "charge.captured",
        "payment_intent.succeeded",
    ]


# How it is listed


def test_pages_go_both_ways(client: stripe.StripeClient, customer: str) -> None:
    for name in "bcdef":
        client.v1.customers.update(customer, {"name": name})
    everything = [event.id for event in client.v1.events.list({"limit": 100}).data]

    forwards = [e.id for e in client.v1.events.list({"limit": 2}).auto_paging_iter()]
    middle = everything[3]
    after = client.v1.events.list({"limit": 2, "starting_after": middle})
    before = client.v1.events.list({"limit": 2, "ending_before": middle})
    first = everything[-1]
    backwards = client.v1.events.list({"limit": 2, "ending_before": first})

    assert forwards == everything
    assert [event.id for event in after.data] == everything[4:6]
    assert [event.id for event in before.data] == everything[1:3]
    assert (after.has_more, before.has_more) == (False, True)
    assert [e.id for e in backwards.auto_paging_iter()] == everything[-2::-1]


def test_events_are_found_by_type_time_and_delivery(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)
    customer = client.v1.customers.create({}).id
    stripe_sandbox.advance(60)
    client.v1.customers.update(customer, {"name": "Ada"})
    stripe_sandbox.advance(60)
    client.v1.customers.delete(customer)
    events = client.v1.events

    def types(**params: Any) -> list[str]:
        filters: Any = params
        return [event.type.removeprefix("customer.") for event in events.list(filters).data]

    assert types(type="customer.updated") == ["updated"]
    assert types(types=["customer.created", "customer.deleted"]) == ["deleted", "created"]
    assert types(created={"gte": 1_900_000_060}) == ["deleted", "updated"]
    assert types(created={"gt": 1_900_000_000, "lt": 1_900_000_120}) == ["updated"]
    assert types(created={"lte": 1_900_000_000}) == ["created"]
    assert types(created=1_900_000_120) == ["deleted"]
    assert types(delivery_success=True) == ["deleted", "updated", "created"]
    assert types(delivery_success=False) == []


@pytest.mark.parametrize(
    "params",
    [
        {"types": ["customer.created"] * 21},
        {"types": ["customer.created"], "type": "customer.created"},
        {"starting_after": "evt_missing"},
        {"delivery_success": "maybe"},
        {"limit": 101},
    ],
)
def test_wrong_list_of_events_is_refused(
    client: stripe.StripeClient, params: dict[str, Any]
) -> None:
    wrong: Any = params

    with pytest.raises(stripe.InvalidRequestError):
        client.v1.events.list(wrong)


def test_events_are_kept_for_thirty_days(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, customer: str
) -> None:
    event = last_event(client)
    stripe_sandbox.advance(30 * DAY - 60)
    kept = client.v1.events.retrieve(event).id
    stripe_sandbox.advance(120)

    assert kept == event
    assert client.v1.events.list().data == []
    with pytest.raises(stripe.InvalidRequestError, match="No such event"):
        client.v1.events.retrieve(event)
