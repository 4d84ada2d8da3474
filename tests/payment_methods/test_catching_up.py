"""What changed at the processor is written as soon as someone looks."""

from __future__ import annotations

from typing import Any

import pytest

from flask_billing import customers
from flask_billing.sandbox import Sandbox
from flask_billing.state import current
from tests.host import Project
from tests.payment_methods.journey import AMEX, MASTERCARD, order, save


def test_card_detached_at_stripe_leaves_the_order(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    first = save(stripe_sandbox, project).payment_method
    second = save(stripe_sandbox, project, MASTERCARD).payment_method
    third = save(stripe_sandbox, project, AMEX).payment_method
    assert first is not None
    assert second is not None
    assert third is not None
    current().gateway.detach_payment_method(first.stripe_id)

    customers.live_details(project.billing_info)

    assert order(project) == [second.stripe_id, third.stripe_id]
    assert first.removed_at is not None


def test_card_that_ran_out_closes_the_guard(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    save(stripe_sandbox, project, exp="12/30")
    assert project.can_create_resources

    moved_clock.shift(60 * 60 * 24 * 365 * 8)
    customers.live_details(project.billing_info)

    assert not project.can_create_resources
    assert [method.usable for method in project.payment_methods] == [False]


def test_look_at_a_page_where_nothing_changed_writes_nothing(
    stripe_sandbox: Sandbox, project: Project
) -> None:
    save(stripe_sandbox, project)
    calls = len(list(stripe_sandbox.requests))

    customers.live_details(project.billing_info)

    assert len(list(stripe_sandbox.requests)) == calls + 2


@pytest.mark.parametrize(
    "call", ["GET /v1/customers/*/payment_methods", "GET /v1/payment_methods/*"]
)
def test_trouble_at_stripe_removes_nothing(
    stripe_sandbox: Sandbox, project: Project, call: str
) -> None:
    method = save(stripe_sandbox, project).payment_method
    assert method is not None
    if call == "GET /v1/payment_methods/*":
        current().gateway.detach_payment_method(method.stripe_id)
    stripe_sandbox.fail(call, how="error_500", times=3)

    customers.live_details(project.billing_info)

    assert method.removed_at is None


def test_card_that_the_bank_renewed_opens_the_guard_again(
    stripe_sandbox: Sandbox, project: Project, moved_clock: Any
) -> None:
    method = save(stripe_sandbox, project, exp="12/30").payment_method
    assert method is not None
    moved_clock.shift(60 * 60 * 24 * 365 * 8)
    customers.live_details(project.billing_info)
    assert not project.can_create_resources

    stripe_sandbox.update_card_automatically(method.stripe_id, exp_year=2050)
    customers.live_details(project.billing_info)

    assert project.can_create_resources
