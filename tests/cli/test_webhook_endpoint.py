"""`flask billing webhook-endpoint` has Stripe send its events here, and nothing more."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import stripe

from flask_billing.state import EventHandler
from tests.cli.conftest import Shell
from tests.host import create_app

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from flask_billing.sandbox import Sandbox

ADDRESS = "https://app.example.com/billing/webhooks/stripe"
OURS = [
    "charge.dispute.closed",
    "charge.dispute.created",
    "charge.dispute.funds_reinstated",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.updated",
    "charge.failed",
    "charge.refunded",
    "checkout.session.completed",
    "checkout.session.expired",
    "credit_note.created",
    "credit_note.updated",
    "credit_note.voided",
    "customer.deleted",
    "customer.tax_id.created",
    "customer.tax_id.deleted",
    "customer.tax_id.updated",
    "customer.updated",
    "invoice.deleted",
    "invoice.finalization_failed",
    "invoice.finalized",
    "invoice.marked_uncollectible",
    "invoice.overdue",
    "invoice.overpaid",
    "invoice.paid",
    "invoice.payment_action_required",
    "invoice.payment_failed",
    "invoice.voided",
    "invoice_payment.paid",
    "mandate.updated",
    "payment_intent.canceled",
    "payment_intent.payment_failed",
    "payment_intent.processing",
    "payment_intent.requires_action",
    "payment_intent.succeeded",
    "payment_method.attached",
    "payment_method.automatically_updated",
    "payment_method.detached",
    "payment_method.updated",
    "radar.early_fraud_warning.created",
    "radar.early_fraud_warning.updated",
    "refund.created",
    "refund.failed",
    "refund.updated",
    "setup_intent.setup_failed",
    "setup_intent.succeeded",
]


def endpoints(sdk: stripe.StripeClient) -> list[stripe.WebhookEndpoint]:
    return sdk.v1.webhook_endpoints.list().data


def handle(handlers: list[EventHandler], *patterns: str) -> None:
    handlers.extend(EventHandler(pattern, f"host.{pattern}", print) for pattern in patterns)


def test_create_asks_for_exactly_what_is_dealt_with(
    stocked: Shell, sdk: stripe.StripeClient
) -> None:
    result = stocked.billing("webhook-endpoint", "create")

    assert result.exit_code == 0
    [endpoint] = endpoints(sdk)
    assert sorted(endpoint.enabled_events) == OURS
    assert (endpoint.url, endpoint.api_version) == (ADDRESS, stripe.api_version)
    assert f"Stripe sends {len(OURS)} types of events to {ADDRESS} from now on." in result.output


def test_secret_is_printed_once_and_signs_what_is_sent(
    stocked: Shell, stripe_sandbox: Sandbox, secrets: Callable[..., None]
) -> None:
    created = stocked.billing("webhook-endpoint", "create").output
    checked = stocked.billing("webhook-endpoint", "check").output

    [secret] = re.findall(r"STRIPE_WEBHOOK_SECRET=(whsec_\w+)\n", created)
    [stored] = [
        body["_secret"]
        for body in stripe_sandbox.engine.store.find(
            stripe_sandbox.engine.default_scope(livemode=False), "webhook_endpoint", {}, limit=9
        )
    ]
    assert secret == stored
    assert secret not in checked


def test_families_of_handlers_become_real_types(
    stocked: Shell, sdk: stripe.StripeClient, handlers: list[EventHandler]
) -> None:
    handle(handlers, "customer.discount.*", "coupon.created")

    stocked.billing("webhook-endpoint", "create")

    [endpoint] = endpoints(sdk)
    added = {*endpoint.enabled_events} - {*OURS}
    assert added == {
        "customer.discount.created",
        "customer.discount.deleted",
        "customer.discount.updated",
        "coupon.created",
    }


def test_handler_of_everything_asks_for_everything(
    stocked: Shell,
    sdk: stripe.StripeClient,
    handlers: list[EventHandler],
    secrets: Callable[..., None],
) -> None:
    handle(handlers, "*", "invoice.paid")
    secrets("whsec_1")

    created = stocked.billing("webhook-endpoint", "create")
    checked = stocked.billing("webhook-endpoint", "check")

    assert [endpoint.enabled_events for endpoint in endpoints(sdk)] == [["*"]]
    assert "Stripe sends all events to" in created.output
    assert checked.exit_code == 0, checked.output


@pytest.mark.parametrize("pattern", ["invoice.eaten", "invoices.*"])
def test_handler_of_what_stripe_does_not_have_is_refused(
    stocked: Shell, sdk: stripe.StripeClient, handlers: list[EventHandler], pattern: str
) -> None:
    handle(handlers, pattern)

    result = stocked.billing("webhook-endpoint", "create")

    assert result.exit_code == 1
    assert f"Stripe has no events {pattern}." in result.output
    assert endpoints(sdk) == []


def test_second_endpoint_for_an_address_is_refused(
    stocked: Shell, sdk: stripe.StripeClient
) -> None:
    stocked.billing("webhook-endpoint", "create", "--url", "https://other.example.com/hook")
    stocked.billing("webhook-endpoint", "create")

    result = stocked.billing("webhook-endpoint", "create", "--url", f"{ADDRESS}/")

    assert result.exit_code == 1
    assert "webhook-endpoint check" in result.output
    assert "webhook-endpoint rotate" in result.output
    assert len(endpoints(sdk)) == 2


def test_address_of_the_site_has_to_be_known(
    sqlite_url: str, folder: Path, settings: dict[str, Any]
) -> None:
    shell = Shell(create_app(sqlite_url, **settings | {"BILLING_BASE_URL": None}), folder)

    result = shell.billing("webhook-endpoint", "create")

    assert result.exit_code == 1
    assert result.output == "Error: Set BILLING_BASE_URL to this site's address, or give --url.\n"


def test_address_that_stripe_refuses_ends_without_a_traceback(stocked: Shell) -> None:
    result = stocked.billing("webhook-endpoint", "create", "--url", "http://app.example.com/hook")

    assert result.exit_code == 1
    assert result.output == "Error: Stripe refused the request (url_invalid).\n"


def test_check_of_a_good_endpoint_ends_well(stocked: Shell, secrets: Callable[..., None]) -> None:
    stocked.billing("webhook-endpoint", "create", "--url", "https://other.example.com/hook")
    stocked.billing("webhook-endpoint", "create")
    secrets("whsec_1")

    result = stocked.billing("webhook-endpoint", "check")

    assert result.exit_code == 0
    assert (
        result.output == f"Stripe sends {len(OURS)} types of events to {ADDRESS}, as it should.\n"
    )


def test_check_without_an_endpoint_points_to_create(stocked: Shell) -> None:
    result = stocked.billing("webhook-endpoint", "check")

    assert result.exit_code == 1
    assert f"Stripe sends nothing to {ADDRESS}." in result.output
    assert "webhook-endpoint create" in result.output


def test_check_names_a_missing_secret(stocked: Shell) -> None:
    stocked.billing("webhook-endpoint", "create")

    result = stocked.billing("webhook-endpoint", "check")

    assert result.exit_code == 1
    assert result.output == "STRIPE_WEBHOOK_SECRET is not set, so everything is refused.\n"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"disabled": True}, "is disabled"),
        ({"enabled_events": OURS[1:]}, "is not sent: charge.dispute.closed."),
        ({"enabled_events": [*OURS, "coupon.created"]}, "nothing here handles: coupon.created."),
        ({"enabled_events": ["*"]}, "nothing here handles: all other types."),
    ],
)
def test_check_names_what_is_wrong_and_can_set_it_right(
    stocked: Shell,
    sdk: stripe.StripeClient,
    secrets: Callable[..., None],
    changes: Any,
    told: str,
) -> None:
    stocked.billing("webhook-endpoint", "create")
    secrets("whsec_1")
    [endpoint] = endpoints(sdk)
    sdk.v1.webhook_endpoints.update(endpoint.id, changes)

    wrong = stocked.billing("webhook-endpoint", "check")
    fixed = stocked.billing("webhook-endpoint", "check", "--fix")

    assert (wrong.exit_code, fixed.exit_code) == (1, 0)
    assert told in wrong.output
    assert len(wrong.output.splitlines()) == 1
    [endpoint] = endpoints(sdk)
    assert (sorted(endpoint.enabled_events), endpoint.status) == (OURS, "enabled")


def test_check_names_another_api_version_which_only_a_new_endpoint_can_change(
    stocked: Shell, sdk: stripe.StripeClient, secrets: Callable[..., None]
) -> None:
    secrets("whsec_1")
    wanted: Any = OURS
    sdk.v1.webhook_endpoints.create({"url": ADDRESS, "enabled_events": wanted})

    result = stocked.billing("webhook-endpoint", "check", "--fix")

    assert result.exit_code == 1
    assert f"this release speaks {stripe.api_version}. 'flask billing webhook-end" in result.output


def test_rotation_makes_a_second_secret_and_ends_with_one_endpoint(
    stocked: Shell, sdk: stripe.StripeClient, secrets: Callable[..., None]
) -> None:
    stocked.billing("webhook-endpoint", "create", "--url", "https://other.example.com/hook")
    stocked.billing("webhook-endpoint", "create")
    old = {endpoint.id for endpoint in endpoints(sdk) if endpoint.url == ADDRESS}
    secrets("whsec_old")

    rotated = stocked.billing("webhook-endpoint", "rotate")
    both = {endpoint.id for endpoint in endpoints(sdk) if endpoint.url == ADDRESS}
    checked = stocked.billing("webhook-endpoint", "check")
    secrets("whsec_new", "whsec_old")
    finished = stocked.billing("webhook-endpoint", "rotate", "--finish")

    assert rotated.exit_code == finished.exit_code == 0
    assert "STRIPE_WEBHOOK_SECRET=whsec_" in rotated.output
    assert "rotate --finish" in rotated.output
    assert len(both) == 2
    assert checked.exit_code == 1
    assert "2 endpoints have this address." in checked.output
    left = {endpoint.id for endpoint in endpoints(sdk) if endpoint.url == ADDRESS}
    assert left == both - old
    assert len(endpoints(sdk)) == 2


def test_rotation_is_not_finished_before_both_secrets_are_set(
    stocked: Shell, sdk: stripe.StripeClient, secrets: Callable[..., None]
) -> None:
    stocked.billing("webhook-endpoint", "create")
    stocked.billing("webhook-endpoint", "rotate")
    secrets("whsec_old")

    result = stocked.billing("webhook-endpoint", "rotate", "--finish")

    assert result.exit_code == 1
    assert "nothing was deleted" in result.output
    assert len(endpoints(sdk)) == 2


def test_rotation_is_not_begun_twice_nor_without_an_endpoint(
    stocked: Shell, sdk: stripe.StripeClient
) -> None:
    without = stocked.billing("webhook-endpoint", "rotate")
    stocked.billing("webhook-endpoint", "create")
    ended = stocked.billing("webhook-endpoint", "rotate", "--finish")
    stocked.billing("webhook-endpoint", "rotate")
    twice = stocked.billing("webhook-endpoint", "rotate")

    assert (without.exit_code, ended.exit_code, twice.exit_code) == (1, 1, 1)
    assert "webhook-endpoint create" in without.output
    assert "nothing to end" in ended.output
    assert "A change is under way." in twice.output
    assert len(endpoints(sdk)) == 2


def test_endpoints_of_connected_accounts_are_left_alone(
    stocked: Shell, sdk: stripe.StripeClient, secrets: Callable[..., None]
) -> None:
    connected: Any = {"url": ADDRESS, "enabled_events": ["payout.paid"], "connect": True}
    before = [sdk.v1.webhook_endpoints.create(connected).id for _ in range(2)]
    secrets("whsec_new", "whsec_old")

    missing = stocked.billing("webhook-endpoint", "check", "--fix")
    results = [
        stocked.billing("webhook-endpoint", *words)
        for words in (
            ["create"],
            ["check", "--fix"],
            ["rotate"],
            ["rotate", "--finish"],
            ["check", "--fix"],
        )
    ]

    assert missing.exit_code == 1
    assert f"Stripe sends nothing to {ADDRESS}." in missing.output
    assert [result.exit_code for result in results] == [0] * 5, results
    kept = {endpoint.id: endpoint for endpoint in endpoints(sdk) if endpoint.application}
    assert set(kept) == set(before)
    assert {tuple(endpoint.enabled_events) for endpoint in kept.values()} == {("payout.paid",)}
    assert {endpoint.status for endpoint in kept.values()} == {"enabled"}
    assert len(endpoints(sdk)) == 3
