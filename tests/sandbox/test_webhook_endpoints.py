"""Webhook endpoints are registered, changed and deleted as at Stripe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from flask_billing.sandbox import Sandbox

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://host.test/billing/webhooks/stripe"


def register(client: stripe.StripeClient, **params: Any) -> stripe.WebhookEndpoint:
    return client.v1.webhook_endpoints.create({"url": URL, "enabled_events": ["*"], **params})


def test_secret_is_told_at_creation_alone(client: stripe.StripeClient) -> None:
    first = register(client)
    second = register(client)

    found = client.v1.webhook_endpoints.retrieve(first.id).to_dict()
    listed = client.v1.webhook_endpoints.list().data
    assert first.secret is not None
    assert first.secret.startswith("whsec_")
    assert first.secret != second.secret
    assert found == {k: v for k, v in first.to_dict().items() if k != "secret"}
    assert [endpoint.id for endpoint in listed] == [second.id, first.id]
    assert all("secret" not in endpoint.to_dict() for endpoint in listed)


def test_endpoint_keeps_what_it_was_created_with(client: stripe.StripeClient) -> None:
    types = ["customer.deleted", "payment_method.attached", "customer.deleted"]

    made = register(
        client,
        enabled_events=types,
        api_version=stripe.api_version,
        description="The app",
        metadata={"ours": "1"},
    )

    assert made.enabled_events == types[:2]
    assert (made.url, made.status, made.livemode) == (URL, "enabled", False)
    assert (made.api_version, made.description) == (stripe.api_version, "The app")
    assert made.to_dict()["metadata"] == {"ours": "1"}


def test_endpoint_of_connected_accounts_names_its_application(
    client: stripe.StripeClient,
) -> None:
    connected, own, said = (
        register(client, **params) for params in ({"connect": True}, {}, {"connect": False})
    )

    kept = {e.id: e.application for e in client.v1.webhook_endpoints.list().data}
    assert connected.application is not None
    assert kept == {connected.id: connected.application, own.id: None, said.id: None}


def test_update_changes_all_but_the_version(client: stripe.StripeClient) -> None:
    made = register(client, description="The app", metadata={"a": "1", "b": "2"})

    client.v1.webhook_endpoints.update(
        made.id,
        {
            "disabled": True,
            "description": "",
            "enabled_events": ["mandate.updated"],
            "metadata": {"a": ""},
            "url": f"{URL}/new",
        },
    )

    found = client.v1.webhook_endpoints.retrieve(made.id)
    assert (found.status, found.description, found.url) == ("disabled", None, f"{URL}/new")
    assert found.enabled_events == ["mandate.updated"]
    assert found.to_dict()["metadata"] == {"b": "2"}
    assert client.v1.webhook_endpoints.update(made.id, {"disabled": False}).status == "enabled"
    version: Any = {"api_version": stripe.api_version}
    with pytest.raises(stripe.InvalidRequestError, match="unknown parameter: api_version"):
        client.v1.webhook_endpoints.update(made.id, version)


def test_deleted_endpoint_is_gone(client: stripe.StripeClient) -> None:
    made, other = register(client), register(client)

    gone = client.v1.webhook_endpoints.delete(made.id)

    assert gone.deleted
    assert [e.id for e in client.v1.webhook_endpoints.list().data] == [other.id]
    with pytest.raises(stripe.InvalidRequestError, match="No such webhook endpoint"):
        client.v1.webhook_endpoints.retrieve(made.id)


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"enabled_events": []}, "enabled_events"),
        ({"enabled_events": ["customer.created", "customer.exploded"]}, "enabled_events[1]"),
        ({"enabled_events": ["customer.*"]}, "enabled_events[0]"),
        ({"url": "http://host.test/"}, "url"),
        ({"url": "http://127.0.0.1.host.test/"}, "url"),
        ({"url": "ftp://127.0.0.1/"}, "url"),
        ({"url": "/billing"}, "url"),
        ({"url": "https://["}, "url"),
        ({"url": ""}, "url"),
        ({"api_version": "2026-05-27.dahlia"}, "api_version"),
        ({"connect": "maybe"}, "connect"),
        ({"secret": "whsec_mine"}, "secret"),
    ],
)
def test_wrong_endpoint_is_refused(
    client: stripe.StripeClient, params: dict[str, Any], param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        register(client, **params)

    assert refused.value.param == param
    assert client.v1.webhook_endpoints.list().data == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1:5000", "localhost:5000", "[::1]:5000"])
def test_plain_http_is_for_this_machine(client: stripe.StripeClient, host: str) -> None:
    assert register(client, url=f"http://{host}/hooks").status == "enabled"


def test_address_is_registered_once(stripe_sandbox: Sandbox, client: stripe.StripeClient) -> None:
    first = stripe_sandbox.webhooks.register(URL, "whsec_old", enabled_events=["mandate.updated"])
    client.v1.webhook_endpoints.update(first["id"], {"disabled": True})

    second = stripe_sandbox.webhooks.register(URL, "whsec_new")

    assert (second["id"], second["secret"]) == (first["id"], "whsec_new")
    (found,) = client.v1.webhook_endpoints.list().data
    assert (found.status, found.enabled_events) == ("enabled", ["*"])
    assert found.api_version == stripe.api_version


@pytest.mark.parametrize(
    ("url", "types"), [("http://host.test/", ["*"]), (URL, ["customer.exploded"])]
)
def test_wrong_registration_is_an_error_of_the_caller(
    stripe_sandbox: Sandbox, url: str, types: list[str]
) -> None:
    with pytest.raises(ValueError, match="Invalid"):
        stripe_sandbox.webhooks.register(url, enabled_events=types)


def test_endpoints_of_modes_and_accounts_are_apart(
    make_client: Callable[..., stripe.StripeClient],
) -> None:
    accounts = {"sk_test_a": "acct_1", "sk_live_a": "acct_1", "sk_test_b": "acct_2"}
    with Sandbox(accounts=accounts) as sandbox:
        clients = {key: make_client(sandbox, key) for key in accounts}
        made = {key: register(client).id for key, client in clients.items()}

        for key, client in clients.items():
            assert [e.id for e in client.v1.webhook_endpoints.list().data] == [made[key]]
