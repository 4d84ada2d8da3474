"""Whatever is absent, null or new in an object of Stripe is read for what it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from flask_billing.gateways import Customer, PaymentMethodDetails
from tests.gateways.versions import (
    CARD,
    CUS,
    LINK,
    MANDATE,
    SESSION,
    VERSIONS,
    Answering,
    Objects,
    expanded,
    objects_of,
)


@pytest.fixture
def newest() -> Objects:
    return objects_of(VERSIONS[-1])


@pytest.mark.parametrize(
    "left_out", ["customer", "metadata", "customer_details", "setup_intent", "url"]
)
@pytest.mark.parametrize("how", ["null", "absent"])
def test_setup_session_may_lack_anything_but_its_state(
    answering: Answering, newest: Objects, left_out: str, how: str
) -> None:
    session = expanded(newest) | {left_out: None}
    if how == "absent":
        del session[left_out]
    lost: dict[str, dict[str, Any]] = {
        "customer": {"customer_id": None},
        "metadata": {"local_id": None, "purpose": None},
        "customer_details": {"email": ""},
        "setup_intent": {"succeeded": False, "payment_method": None},
        "url": {},
    }

    found = answering(session).setup_session("cs_1")

    assert found == replace(SESSION, **lost[left_out])


def test_customer_may_lack_anything_but_its_id(answering: Answering, newest: Objects) -> None:
    bare = {name: newest["customer"][name] for name in ("id", "object", "livemode")}
    empty = dict.fromkeys(newest["customer"]) | bare

    for answer in (bare, empty, empty | {"metadata": {}, "invoice_settings": {}}):
        assert answering(answer).customer(CUS) == Customer(stripe_id=CUS)


def test_methods_details_may_be_absent(answering: Answering, newest: Objects) -> None:
    card = newest["payment_method.card"]
    bare = {name: card[name] for name in ("id", "object", "type")}
    nothing = PaymentMethodDetails(stripe_id=CARD.stripe_id, type="card", customer_id=None)

    for answer in (bare, bare | {"card": None}, bare | {"card": {}, "billing_details": None}):
        assert answering(answer).payment_method("pm_1") == nothing


def test_method_of_a_kind_that_nobody_knows_yet(answering: Answering, newest: Objects) -> None:
    bare = newest["payment_method.link"] | {"type": "moon_money"}

    for answer in (bare, bare | {"moon_money": {"crater": "Tycho"}}):
        assert answering(answer).payment_method("pm_1") == replace(LINK, type="moon_money")


def test_states_that_nobody_knows_yet_are_no_success(answering: Answering, newest: Objects) -> None:
    session = expanded(newest)
    session["setup_intent"]["status"] = session["status"] = "paused"

    found = answering(session).setup_session("cs_1")

    assert found == replace(SESSION, state="paused", succeeded=False)


@pytest.mark.parametrize(
    ("changes", "active", "multi_use"),
    [
        ({"status": "active"}, True, True),
        ({"status": "inactive"}, False, True),
        ({"status": "pending"}, False, True),
        ({"status": "frozen"}, False, True),
        ({"status": None}, False, True),
        ({"type": "single_use"}, True, False),
        ({"type": "single_use", "status": "inactive"}, False, False),
        ({"type": "many_times"}, True, True),
    ],
    ids=range(8),
)
def test_mandate_can_be_used_while_it_is_active(
    answering: Answering, newest: Objects, changes: Objects, active: bool, multi_use: bool
) -> None:
    found = answering(newest["mandate"] | changes).mandate("mandate_1")

    assert found == replace(MANDATE, active=active, multi_use=multi_use)


def test_mandate_may_have_no_method(answering: Answering, newest: Objects) -> None:
    mandate = dict(newest["mandate"])
    del mandate["payment_method"]

    assert answering(mandate).mandate("mandate_1") == replace(MANDATE, payment_method_id=None)


@pytest.mark.parametrize("status", ["disabled", "asleep"])
def test_endpoint_gets_something_only_while_it_is_enabled(
    answering: Answering, newest: Objects, status: str
) -> None:
    page = {"object": "list", "data": [newest["webhook_endpoint"] | {"status": status}]}

    [found] = answering(page | {"has_more": False}).webhook_endpoints()

    assert not found.enabled


def test_setup_intent_of_somebody_else_names_no_row(answering: Answering, newest: Objects) -> None:
    intent = newest["setup_intent"]

    for metadata in (None, {}, {"order": "7"}):
        assert answering(intent | {"metadata": metadata}).setup_intent_local_id("seti_1") is None
