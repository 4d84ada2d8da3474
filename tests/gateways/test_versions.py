"""Objects of every API version, as Stripe has written them over the years, mean the same to us."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flask_billing.gateways import Customer, PaymentMethodDetails
from flask_billing.gateways.stripe import StripeGateway
from tests.gateways.conftest import ROW
from tests.gateways.notices import read
from tests.gateways.versions import (
    CARD,
    CUS,
    CUSTOMER,
    ENDPOINT,
    EVENT,
    LINK,
    MANDATE,
    SEPA,
    SESSION,
    VERSIONS,
    Answering,
    Objects,
    expanded,
    objects_of,
    without_nulls,
)


@pytest.fixture(params=VERSIONS)
def version(request: pytest.FixtureRequest) -> str:
    named: str = request.param
    return named


@pytest.fixture
def objects(version: str) -> Objects:
    return objects_of(version)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("payment_method.card", CARD),
        ("payment_method.sepa_debit", SEPA),
        ("payment_method.link", LINK),
    ],
    ids=["card", "sepa_debit", "link"],
)
def test_payment_method(
    answering: Answering, objects: Objects, name: str, method: PaymentMethodDetails
) -> None:
    assert answering(objects[name]).payment_method(method.stripe_id) == method


def test_payment_method_with_its_customer_expanded(answering: Answering, objects: Objects) -> None:
    card = objects["payment_method.card"] | {"customer": objects["customer"]}

    assert answering(card).payment_method(CARD.stripe_id) == CARD


def test_customer(answering: Answering, objects: Objects) -> None:
    assert answering(objects["customer"]).customer(CUS) == CUSTOMER


def test_customer_that_was_deleted(answering: Answering, objects: Objects) -> None:
    gone = Customer(stripe_id=CUS, deleted=True)

    assert answering(objects["customer.deleted"]).customer(CUS) == gone


def test_setup_session(answering: Answering, objects: Objects) -> None:
    assert answering(expanded(objects)).setup_session(SESSION.stripe_id) == SESSION


def test_setup_session_with_its_customer_expanded(answering: Answering, objects: Objects) -> None:
    session = expanded(objects) | {"customer": objects["customer"]}

    assert answering(session).setup_session(SESSION.stripe_id) == SESSION


def test_setup_session_without_its_intent_has_saved_nothing(
    answering: Answering, objects: Objects
) -> None:
    found = answering(objects["checkout.session"]).setup_session(SESSION.stripe_id)

    assert found == replace(SESSION, succeeded=False, payment_method=None)


def test_setup_session_with_its_method_not_expanded_has_none(
    answering: Answering, objects: Objects
) -> None:
    session = objects["checkout.session"] | {"setup_intent": objects["setup_intent"]}

    found = answering(session).setup_session(SESSION.stripe_id)

    assert found == replace(SESSION, payment_method=None)


def test_setup_intent(answering: Answering, objects: Objects) -> None:
    assert answering(objects["setup_intent"]).setup_intent_local_id("seti_1") == str(ROW)


def test_mandate(answering: Answering, objects: Objects) -> None:
    assert answering(objects["mandate"]).mandate(MANDATE.stripe_id) == MANDATE


def test_mandate_with_its_method_expanded(answering: Answering, objects: Objects) -> None:
    mandate = objects["mandate"] | {"payment_method": objects["payment_method.sepa_debit"]}

    assert answering(mandate).mandate(MANDATE.stripe_id) == MANDATE


def test_webhook_endpoint(answering: Answering, objects: Objects, version: str) -> None:
    page = {"object": "list", "data": [objects["webhook_endpoint"]], "has_more": False}
    written_in = None if version == VERSIONS[0] else version

    assert answering(page).webhook_endpoints() == [replace(ENDPOINT, api_version=written_in)]


def test_event_that_was_sent(gateway: StripeGateway, objects: Objects, version: str) -> None:
    assert read(gateway, objects["event"]) == replace(EVENT, api_version=version)


def test_event_that_was_listed(answering: Answering, objects: Objects, version: str) -> None:
    page = {"object": "list", "data": [objects["event"]], "has_more": False, "url": "/v1/events"}

    assert list(answering(page).events()) == [replace(EVENT, api_version=version)]


@pytest.mark.parametrize(
    "name",
    [
        "checkout.session",
        "customer",
        "customer.deleted",
        "mandate",
        "payment_method.card",
        "payment_method.link",
        "payment_method.sepa_debit",
        "setup_intent",
        "webhook_endpoint",
    ],
)
def test_event_of_any_object(gateway: StripeGateway, objects: Objects, name: str) -> None:
    thing = objects[name]
    body = objects["event"] | {"data": {"object": thing}}

    found = read(gateway, body)

    assert found.object_id == thing["id"]
    assert found.object_type == thing["object"]
    owner = CUS if thing["object"] == "customer" else thing.get("customer")
    assert found.customer_id == owner


def test_event_from_before_requests_had_keys(gateway: StripeGateway) -> None:
    found = read(gateway, objects_of("2016-07-06")["event"])

    assert (found.object_id, found.customer_id) == ("cus_8lQ2xZ5yNn1aBc", "cus_8lQ2xZ5yNn1aBc")
    assert found.idempotency_key is None
    assert found.api_version == "2016-07-06"


def test_key_that_is_absent_means_what_null_means(answering: Answering, objects: Objects) -> None:
    card, link = objects["payment_method.card"], objects["payment_method.link"]
    session = without_nulls(expanded(objects))

    assert answering(without_nulls(card)).payment_method("pm_1") == CARD
    assert answering(without_nulls(link)).payment_method("pm_1") == LINK
    assert answering(without_nulls(objects["customer"])).customer(CUS) == CUSTOMER
    assert answering(session).setup_session("cs_1") == SESSION
    assert answering(without_nulls(objects["mandate"])).mandate("mandate_1") == MANDATE
