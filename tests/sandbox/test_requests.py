"""Requests are judged as Stripe judges them: keys, versions, parameters, paths, pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
import stripe

from flask_billing.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeClient = Callable[..., stripe.StripeClient]

LIVE = "sk_live_sandbox"


def test_call_without_a_key_is_refused(stripe_sandbox: Sandbox, browser: requests.Session) -> None:
    answer = browser.get(f"{stripe_sandbox.url}/v1/account")

    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert answer.headers["Request-Id"].startswith("req_")


@pytest.mark.parametrize("key", ["nonsense", "pk_test_publishable", "sk_test_"])
def test_malformed_key_is_refused(
    stripe_sandbox: Sandbox, make_client: MakeClient, key: str
) -> None:
    with pytest.raises(stripe.AuthenticationError):
        make_client(stripe_sandbox, key).v1.accounts.retrieve_current()


@pytest.mark.parametrize("key", ["sk_test_any", "rk_test_any", "sk_live_any", "rk_live_any"])
def test_each_kind_of_secret_key_is_taken(
    stripe_sandbox: Sandbox, make_client: MakeClient, key: str
) -> None:
    customer = make_client(stripe_sandbox, key).v1.customers.create({})

    assert customer.livemode == ("live" in key)


def test_objects_of_one_mode_are_invisible_to_the_other(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, make_client: MakeClient
) -> None:
    live = make_client(stripe_sandbox, LIVE)
    customer = client.v1.customers.create({})

    with pytest.raises(stripe.InvalidRequestError, match="similar object exists in test mode"):
        live.v1.customers.retrieve(customer.id)

    assert live.v1.customers.list().data == []


def test_accounts_are_walls_and_keys_of_one_account_see_the_same(make_client: MakeClient) -> None:
    accounts = {"sk_test_a": "acct_1", "sk_test_b": "acct_1", "sk_test_c": "acct_2"}
    with Sandbox(accounts=accounts) as sandbox:
        first, rotated, other = (make_client(sandbox, key) for key in accounts)
        customer = first.v1.customers.create({})

        assert rotated.v1.customers.retrieve(customer.id).id == customer.id
        assert rotated.v1.accounts.retrieve_current().id == "acct_1"
        with pytest.raises(stripe.InvalidRequestError):
            other.v1.customers.retrieve(customer.id)
        with pytest.raises(stripe.AuthenticationError):
            make_client(sandbox, "sk_test_unknown").v1.customers.list()
        with pytest.raises(stripe.PermissionError):
            other.v1.accounts.retrieve("acct_1")


@pytest.mark.parametrize(
    "version", ["2026-05-27.dahlia", "2025-03-31.basil", "2020-08-27", "2027-01-01.endive", "new"]
)
def test_other_api_versions_are_refused(
    stripe_sandbox: Sandbox, make_client: MakeClient, version: str
) -> None:
    client = make_client(stripe_sandbox, stripe_version=version)

    with pytest.raises(stripe.InvalidRequestError, match="Invalid Stripe API version"):
        client.v1.accounts.retrieve_current()


def test_version_of_the_sdk_is_the_one_that_is_spoken(client: stripe.StripeClient) -> None:
    answer = client.v1.accounts.retrieve_current()

    assert answer.last_response is not None
    assert answer.last_response.headers["stripe-version"] == stripe.api_version


def test_unknown_parameter_is_refused_with_its_full_name(client: stripe.StripeClient) -> None:
    params = {"address": {"street": "x"}}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.create(params)

    assert (refused.value.code, refused.value.param) == ("parameter_unknown", "address[street]")
    assert refused.value.user_message == "Received unknown parameter: address[street]"


@pytest.mark.parametrize("resource", ["setup_intents", "payment_intents"])
def test_retired_payment_method_types_are_refused(
    client: stripe.StripeClient, resource: str
) -> None:
    params = {"payment_method_types": ["card"], "amount": 100, "currency": "usd"}

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.raw_request("post", f"/v1/{resource}", **params)

    assert refused.value.code == "payment_method_types_no_longer_supported"


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"starting_after": "cus_missing"}, "starting_after"),
        ({"ending_before": "cus_missing"}, "ending_before"),
    ],
)
def test_bad_page_is_refused(
    client: stripe.StripeClient, params: dict[str, object], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.customers.list(params)

    assert refused.value.param == param


def test_pages_follow_one_another_in_both_directions(client: stripe.StripeClient) -> None:
    made = [client.v1.customers.create({}).id for _ in range(5)][::-1]

    forwards = [
        customer.id for customer in client.v1.customers.list({"limit": 2}).auto_paging_iter()
    ]
    before = client.v1.customers.list({"limit": 2, "ending_before": made[-1]})

    assert forwards == made
    assert [customer.id for customer in before.data] == made[2:4]
    assert before.has_more


def test_created_filters_a_list(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    stripe_sandbox.clock.freeze(1_800_000_000)
    client.v1.customers.create({})
    stripe_sandbox.advance(10)
    late = client.v1.customers.create({})

    found = client.v1.customers.list({"created": {"gt": 1_800_000_000, "lte": 1_800_000_010}})

    assert [customer.id for customer in found.data] == [late.id]
    assert late.created == 1_800_000_010


def test_unknown_url_and_empty_id_are_refused(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL") as unknown:
        client.raw_request("get", "/v1/nonsense")
    with pytest.raises(stripe.InvalidRequestError, match="Unrecognized request URL"):
        client.v1.customers.retrieve("")

    assert unknown.value.http_status == 404


def test_id_cannot_leave_its_place_in_the_path(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.retrieve("cus_1/../../account")


@pytest.mark.parametrize("path", ["nonsense", "email", "invoice_settings", "tax_ids.data.nothing"])
def test_what_cannot_be_expanded_is_refused(client: stripe.StripeClient, path: str) -> None:
    customer = client.v1.customers.create({})
    client.v1.customers.tax_ids.create(customer.id, {"type": "us_ein", "value": "12-3456789"})

    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.customers.retrieve(customer.id, {"expand": [path]})


def test_lists_expand_their_entries(client: stripe.StripeClient) -> None:
    customer = client.v1.customers.create({"name": "Ada"})
    client.v1.payment_methods.attach("pm_card_visa", {"customer": customer.id})

    methods = client.v1.payment_methods.list({"expand": ["data.customer"]}).data

    assert isinstance(methods[0].customer, stripe.Customer)
    assert methods[0].customer.name == "Ada"


def test_every_call_is_logged_with_its_parameters_and_key(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    client.v1.customers.create({"metadata": {"a": "1"}}, {"idempotency_key": "key-1"})
    client.v1.customers.list({"limit": 3})

    created, listed = stripe_sandbox.requests
    assert (created.call, created.params) == ("POST /v1/customers", {"metadata": {"a": "1"}})
    assert created.idempotency_key == "key-1"
    assert (listed.method, listed.path, listed.params) == ("GET", "/v1/customers", {"limit": "3"})
    assert len(stripe_sandbox.requests.of("POST /v1/customers")) == 1


@pytest.mark.parametrize("body", ["a[b=1", "a[b]=1&a=2", "[a]=1", "a=1&a[b]=2"])
def test_malformed_form_is_refused(
    stripe_sandbox: Sandbox, browser: requests.Session, body: str
) -> None:
    answer = browser.post(
        f"{stripe_sandbox.url}/v1/customers",
        data=body,
        auth=("sk_test_a", ""),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )

    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"
