"""Long work waits when Stripe asks for it, and goes on where it was."""

from __future__ import annotations

import pytest
import stripe
from flask import Flask

from flask_billing.errors import GatewayUnavailable
from flask_billing.reconciling import paced
from flask_billing.sandbox import Sandbox
from flask_billing.state import current


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that would have been waited."""
    waited: list[float] = []
    monkeypatch.setattr("flask_billing.reconciling.pacing.sleep", waited.append)
    return waited


@pytest.fixture
def crowd(app: Flask, sdk: stripe.StripeClient) -> list[str]:
    """More customers than a page holds, newest first."""
    return [sdk.v1.customers.create({"metadata": {}}).id for _ in range(102)][::-1]


def test_list_that_breaks_off_goes_on_without_a_gap_or_a_repetition(
    stripe_sandbox: Sandbox, crowd: list[str], waits: list[float]
) -> None:
    # A call of its own accord tries four times.
    stripe_sandbox.fail("GET /v1/customers", how="rate_limit", nth=2, times=8)

    with paced():
        found = [customer.stripe_id for customer in current().gateway.customers()]

    assert found == crowd
    assert len(waits) == 2


def test_trouble_of_another_kind_is_not_waited_for(
    stripe_sandbox: Sandbox, crowd: list[str], waits: list[float]
) -> None:
    stripe_sandbox.fail("GET /v1/customers", how="error_500", nth=2, times=3)
    found = []

    with paced(), pytest.raises(GatewayUnavailable):
        found.extend(current().gateway.customers())

    assert waits == []


def test_rate_counts_pages_and_not_what_is_on_them(crowd: list[str], waits: list[float]) -> None:
    with paced(rate=0.01):
        list(current().gateway.customers())

    assert len(waits) == 1


def test_what_is_no_call_passes_at_once(app: Flask, waits: list[float]) -> None:
    with paced(rate=0.01):
        versions = [current().gateway.api_version for _ in range(3)]

    assert versions == [stripe.api_version] * 3
    assert waits == []
