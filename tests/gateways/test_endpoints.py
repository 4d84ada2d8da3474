"""Where notifications are sent to is made, changed, listed and taken away."""

from __future__ import annotations

from typing import Any

import pytest
import stripe

from flask_billing.errors import GatewayRefusal
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.conftest import ADDRESS

TYPES = frozenset({"customer.updated", "payment_method.detached"})


def test_new_endpoint_tells_its_secret_once(gateway: StripeGateway) -> None:
    made = gateway.create_webhook_endpoint(ADDRESS, TYPES)

    assert made.secret is not None
    assert made.secret.startswith("whsec_")
    assert made.secret not in repr(made)
    assert (made.url, made.enabled, made.types) == (ADDRESS, True, TYPES)
    assert made.api_version == gateway.api_version == stripe.api_version
    assert [endpoint.secret for endpoint in gateway.webhook_endpoints()] == [None]


def test_address_may_have_two_endpoints_while_one_takes_over(gateway: StripeGateway) -> None:
    first, second = (gateway.create_webhook_endpoint(ADDRESS, TYPES) for _ in range(2))

    assert first.secret != second.secret
    assert {endpoint.stripe_id for endpoint in gateway.webhook_endpoints()} == {
        first.stripe_id,
        second.stripe_id,
    }


def test_every_page_of_endpoints_is_read(gateway: StripeGateway, stripe_sandbox: Sandbox) -> None:
    made = {gateway.create_webhook_endpoint(ADDRESS, TYPES).stripe_id for _ in range(101)}

    assert {endpoint.stripe_id for endpoint in gateway.webhook_endpoints()} == made


def test_endpoint_is_changed_alone(gateway: StripeGateway) -> None:
    first, second = (gateway.create_webhook_endpoint(ADDRESS, TYPES) for _ in range(2))

    off = gateway.update_webhook_endpoint(first.stripe_id, enabled=False)
    all_types = gateway.update_webhook_endpoint(first.stripe_id, types=["*"])
    on = gateway.update_webhook_endpoint(first.stripe_id, enabled=True)

    assert (off.enabled, off.types) == (False, TYPES)
    assert (all_types.enabled, all_types.types) == (False, {"*"})
    assert (on.enabled, on.types) == (True, {"*"})
    [other] = [e for e in gateway.webhook_endpoints() if e.stripe_id == second.stripe_id]
    assert (other.enabled, other.types) == (True, TYPES)


def test_endpoint_may_be_taken_away_twice(gateway: StripeGateway) -> None:
    gone, stays = (gateway.create_webhook_endpoint(ADDRESS, TYPES) for _ in range(2))

    for _ in range(2):
        gateway.delete_webhook_endpoint(gone.stripe_id)

    assert [endpoint.stripe_id for endpoint in gateway.webhook_endpoints()] == [stays.stripe_id]


def test_endpoint_that_is_gone_cannot_be_changed(gateway: StripeGateway) -> None:
    with pytest.raises(GatewayRefusal) as refused:
        gateway.update_webhook_endpoint("we_nobody", enabled=True)

    assert refused.value.code == "resource_missing"


def test_endpoint_tells_whether_it_is_for_connected_accounts(
    gateway: StripeGateway, sdk: stripe.StripeClient
) -> None:
    own = gateway.create_webhook_endpoint(ADDRESS, TYPES)
    wanted: Any = {"url": ADDRESS, "enabled_events": ["payout.paid"], "connect": True}
    connected = sdk.v1.webhook_endpoints.create(wanted)

    found = {endpoint.stripe_id: endpoint.connect for endpoint in gateway.webhook_endpoints()}

    assert found == {own.stripe_id: False, connected.id: True}
    assert not own.connect
