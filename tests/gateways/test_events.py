"""A notification is read down to ids, kinds and times; whatever is none is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from flask_billing.errors import EventRefused
from flask_billing.gateways import RemoteEvent
from flask_billing.gateways.stripe import StripeGateway
from tests.gateways.notices import event, read

METHOD = {"id": "pm_1", "object": "payment_method", "customer": "cus_1"}


def test_notification_is_ids_kinds_and_times(gateway: StripeGateway) -> None:
    body = event(METHOD, account="acct_1", request={"id": "req_1", "idempotency_key": "details-1"})

    found = read(gateway, body)

    assert found == RemoteEvent(
        stripe_id="evt_1",
        type="customer.updated",
        livemode=False,
        created_at=datetime(2026, 11, 30, 23, 59, 59, tzinfo=UTC),
        object_id="pm_1",
        object_type="payment_method",
        customer_id="cus_1",
        account_id="acct_1",
        api_version="2026-10-28.endive",
        idempotency_key="details-1",
    )


def test_what_may_be_absent_is_absent(gateway: StripeGateway) -> None:
    body = event({"object": "balance"})
    for name in ("api_version", "request", "pending_webhooks"):
        del body[name]
    del body["data"]["previous_attributes"]

    found = read(gateway, body)

    assert found.object_type == "balance"
    assert found.object_id is None
    assert found.customer_id is None
    assert found.account_id is None
    assert found.api_version is None
    assert found.idempotency_key is None


@pytest.mark.parametrize(
    ("thing", "before", "customer"),
    [
        ({"id": "cus_1", "object": "customer", "customer": "cus_2"}, None, "cus_1"),
        ({"id": "cus_1", "object": "customer", "deleted": True}, None, "cus_1"),
        (METHOD, None, "cus_1"),
        (METHOD | {"customer": {"id": "cus_2", "object": "customer"}}, None, "cus_2"),
        (METHOD | {"customer": None}, {"customer": "cus_2"}, "cus_2"),
        (METHOD | {"customer": None}, {"customer": {"id": "cus_2"}}, "cus_2"),
        (METHOD | {"customer": "cus_1"}, {"customer": "cus_2"}, "cus_1"),
        ({"id": "pm_1", "object": "payment_method"}, {"customer": "cus_2"}, "cus_2"),
        (METHOD | {"customer": None, "customer_account": "acct_1"}, {}, None),
        (METHOD | {"customer": None}, {"customer": None}, None),
        (METHOD | {"customer": None}, ["customer"], None),
        (METHOD | {"customer": 7}, None, None),
        (METHOD | {"customer": {"object": "customer"}}, None, None),
    ],
    ids=range(13),
)
def test_customer_is_the_one_it_belongs_to_or_did(
    gateway: StripeGateway, thing: Any, before: Any, customer: str | None
) -> None:
    assert read(gateway, event(thing, before)).customer_id == customer


@pytest.mark.parametrize(
    ("request_of", "key"),
    [
        (None, None),
        ("req_1", None),
        ({}, None),
        ({"id": None, "idempotency_key": None}, None),
        ({"id": "req_1", "idempotency_key": "details-1"}, "details-1"),
        ({"id": "req_1", "idempotency_key": "ada@example.com"}, None),
    ],
    ids=range(6),
)
def test_key_is_that_of_the_request_which_caused_it(
    gateway: StripeGateway, request_of: Any, key: str | None
) -> None:
    assert read(gateway, event(request=request_of)).idempotency_key == key


@pytest.mark.parametrize(
    "chosen", ["25% off", "ada@example.com", "Größe", "x" * 256, "cus/../x", ""], ids=range(6)
)
def test_id_that_a_merchant_chose_is_taken_and_not_kept(
    gateway: StripeGateway, chosen: str
) -> None:
    coupon = read(gateway, event({"id": chosen, "object": "coupon"}))
    customer = read(gateway, event({"id": chosen, "object": "customer"}))
    method = read(gateway, event(METHOD | {"customer": chosen}))

    assert coupon.object_id is None
    assert coupon.object_type == "coupon"
    assert customer.object_id is customer.customer_id is method.customer_id is None


def test_version_with_extras_is_kept_and_an_endless_one_is_not(gateway: StripeGateway) -> None:
    extra = "2020-08-27; orders_beta=v4"

    assert read(gateway, event(api_version=extra)).api_version == extra
    assert read(gateway, event(api_version=extra + "; x_beta=v1" * 9)).api_version is None


LAST = int(datetime(9998, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())


@pytest.mark.parametrize("created", [0, LAST])
def test_moment_may_be_any_that_a_database_takes(gateway: StripeGateway, created: int) -> None:
    found = read(gateway, event(created=created))

    assert found.created_at.timestamp() == created


def each(name: str, *wrong: Any) -> list[dict[str, Any]]:
    return [{name: value} for value in wrong]


def each_of_the_object(name: str, *wrong: Any) -> list[dict[str, Any]]:
    thing = {"id": "pm_1", "object": "payment_method"}
    return [{"data": {"object": thing | {name: value}}} for value in wrong]


WRONG: list[dict[str, Any]] = [
    *each("object", "v2.core.event", None),
    *each("id", None, 1, "", "evt_", "ev_1", "evt_1\n", "evt_é", "evt_" + "x" * 251),
    *each("type", None, 1, "", "x" * 101, "Customer", "a b", "a\x00", "ä"),
    *each("created", None, True, 1.5, "1", -1, LAST + 1, 10**30),
    *each("livemode", None, 0, "false"),
    *each("account", 1, "", "a b", "a\x00", "\udcff", "x" * 256, {"id": "acct_1"}),
    *each("api_version", 1, "2026\x00", "\udcff", ["2026"]),
    *each("request", 1, True, ["req_1"], {"idempotency_key": 1}, {"idempotency_key": "\udcff"}),
    *each("data", None, [], "x", {}, {"object": None}, {"object": []}, {"object": {"id": "x"}}),
    *each_of_the_object("object", None, 1, "", "a\x00", "A", "x" * 101),
    *each_of_the_object("id", 1, {}, "a\x00", "\udcff"),
]


@pytest.mark.parametrize("wrong", WRONG, ids=range(len(WRONG)))
def test_notification_with_anything_wrong_is_refused(
    gateway: StripeGateway, wrong: dict[str, Any]
) -> None:
    with pytest.raises(EventRefused) as refused:
        read(gateway, event(**wrong))

    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("name", ["id", "object", "type", "created", "livemode", "data"])
def test_notification_without_what_each_has_is_refused(gateway: StripeGateway, name: str) -> None:
    body = event()
    del body[name]

    with pytest.raises(EventRefused, match="malformed"):
        read(gateway, body)


TEXT = b'{"created": %s}'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"evt_1"',
        b"1",
        b"{",
        b"{'id': 1}",
        b"\xef\xbb\xbf{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"9" * 5000,
        b"NaN",
        TEXT % b"NaN",
        TEXT % b"Infinity",
        TEXT % b"-Infinity",
        TEXT % (b"9" * 5000),
        TEXT % b"1e999",
    ],
    ids=range(17),
)
def test_signed_text_that_is_no_json_object_is_refused(gateway: StripeGateway, body: bytes) -> None:
    with pytest.raises(EventRefused) as refused:
        read(gateway, body)

    assert refused.value.reason == "malformed"


@pytest.mark.parametrize("constant", ["NaN", "Infinity", "-Infinity"])
def test_constant_that_is_no_json_is_refused_wherever_it_stands(
    gateway: StripeGateway, constant: str
) -> None:
    thing = {"id": "cus_1", "object": "customer", "balance": float(constant)}

    with pytest.raises(EventRefused, match="malformed"):
        read(gateway, event(thing))
