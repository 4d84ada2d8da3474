"""Refunds give back what is left of a charge, at once, later or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.paying import charge_of, event_types, pay

if TYPE_CHECKING:
    import requests

    from flask_billing.sandbox import Sandbox


def refund(client: stripe.StripeClient, intent: stripe.PaymentIntent, **more: Any) -> stripe.Refund:
    return client.v1.refunds.create({"payment_intent": intent.id, **more})


def charge(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> tuple[int, bool]:
    found = client.v1.charges.retrieve(charge_of(intent))
    return found.amount_refunded, found.refunded


def test_refund_without_an_amount_gives_back_what_is_left(client: stripe.StripeClient) -> None:
    intent, other = pay(client), pay(client)

    first = refund(client, intent, amount=300, reason="duplicate", metadata={"ours": "1"})
    halfway = charge(client, intent)
    second = client.v1.refunds.create({"charge": charge_of(intent)})

    assert (first.amount, first.status, first.reason) == (300, "succeeded", "duplicate")
    assert first.metadata is not None
    assert first.metadata["ours"] == "1"
    assert (first.payment_intent, first.charge) == (intent.id, charge_of(intent))
    assert (first.customer, first.payment_method) == (intent.customer, intent.payment_method)
    assert halfway == (300, False)
    assert second.amount == 700
    assert charge(client, intent) == (1000, True)
    assert charge(client, other) == (0, False)


def test_refund_tells_of_itself_first_and_then_of_the_charge(client: stripe.StripeClient) -> None:
    refund(client, pay(client))

    assert event_types(client, since="payment_intent.succeeded") == [
        "refund.created",
        "charge.refunded",
    ]


def test_more_than_is_left_is_refused(client: stripe.StripeClient) -> None:
    intent = pay(client)
    refund(client, intent, amount=300)

    with pytest.raises(stripe.InvalidRequestError) as too_much:
        refund(client, intent, amount=701)
    refund(client, intent, amount=700)
    with pytest.raises(stripe.InvalidRequestError) as again:
        refund(client, intent)

    assert (too_much.value.param, too_much.value.code) == ("amount", None)
    assert again.value.code == "charge_already_refunded"
    assert charge(client, intent) == (1000, True)


def test_payment_without_money_cannot_be_refunded(client: stripe.StripeClient) -> None:
    held = client.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "eur",
            "payment_method": "pm_card_visa",
            "confirm": True,
            "off_session": True,
            "capture_method": "manual",
        }
    )
    waiting = client.v1.payment_intents.create({"amount": 500, "currency": "eur"})

    with pytest.raises(stripe.InvalidRequestError) as uncaptured:
        refund(client, held)
    with pytest.raises(stripe.InvalidRequestError) as unpaid:
        refund(client, waiting)
    with pytest.raises(stripe.InvalidRequestError) as nothing:
        client.v1.refunds.create({"amount": 1})

    assert uncaptured.value.code == "charge_not_refundable"
    assert unpaid.value.param == "payment_intent"
    assert nothing.value.code == "parameter_missing"


def test_repeated_refund_with_the_same_key_is_one(client: stripe.StripeClient) -> None:
    intent = pay(client)

    made = [
        client.v1.refunds.create(
            {"payment_intent": intent.id, "amount": 400}, {"idempotency_key": "refund-1"}
        ).id
        for _ in range(2)
    ]

    assert made[0] == made[1]
    assert charge(client, intent) == (400, False)


def test_refund_key_is_forgotten_a_day_later(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)
    intent = pay(client)
    key = {"idempotency_key": "refund-1"}
    params: Any = {"payment_intent": intent.id, "amount": 400}
    client.v1.refunds.create(params, key)

    stripe_sandbox.advance(24 * 3600 - 1)
    client.v1.refunds.create(params, key)
    young = charge(client, intent)
    stripe_sandbox.advance(1)
    client.v1.refunds.create(params, key)

    assert young == (400, False)
    assert charge(client, intent) == (800, False)


def test_pending_refund_succeeds_later(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent = pay(client, token="pm_card_pendingRefund")

    made = refund(client, intent, amount=300)
    counted = charge(client, intent)
    stripe_sandbox.advance(24 * 3600)

    later = client.v1.refunds.retrieve(made.id)
    assert (made.status, made.pending_reason) == ("pending", "processing")
    assert counted == charge(client, intent) == (300, False)
    assert later.status == "succeeded"
    assert event_types(client, since="charge.refunded") == [
        "refund.updated",
        "charge.refund.updated",
    ]


def test_refund_that_succeeded_can_fail_later_and_gives_its_amount_back(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent = pay(client, token="pm_card_refundFail")

    made = refund(client, intent)
    counted = charge(client, intent)
    stripe_sandbox.advance(24 * 3600)

    failed = client.v1.refunds.retrieve(made.id)
    assert made.status == "succeeded"
    assert counted == (1000, True)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    assert charge(client, intent) == (0, False)
    assert event_types(client, since="charge.refunded") == [
        "refund.updated",
        "charge.refund.updated",
        "refund.failed",
    ]


def test_only_a_refund_that_waits_for_its_recipient_can_be_canceled(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent = pay(client)
    made = refund(client, intent)

    with pytest.raises(stripe.InvalidRequestError, match="requires_action"):
        client.v1.refunds.cancel(made.id)
    stripe_sandbox.set_refund_status(made.id, "requires_action")
    canceled = client.v1.refunds.cancel(made.id)

    assert canceled.status == "canceled"
    assert charge(client, intent) == (0, False)


def test_only_metadata_of_a_refund_can_be_changed(client: stripe.StripeClient) -> None:
    made = refund(client, pay(client), metadata={"a": "1", "b": "2"})

    changed = client.v1.refunds.update(made.id, {"metadata": {"a": "", "c": "3"}})
    with pytest.raises(stripe.InvalidRequestError):
        client.raw_request("post", f"/v1/refunds/{made.id}", amount=1)

    assert changed.metadata is not None
    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


def test_refunds_are_listed_by_payment_and_by_charge(client: stripe.StripeClient) -> None:
    intent, other = pay(client), pay(client)
    ids = [refund(client, intent, amount=100).id for _ in range(3)]
    another = refund(client, other).id

    by_intent = client.v1.refunds.list({"payment_intent": intent.id, "limit": 2})
    by_charge = client.v1.refunds.list({"charge": charge_of(other)})
    whole = [found.id for found in by_intent.auto_paging_iter()]
    shown = client.v1.charges.retrieve(charge_of(intent), {"expand": ["refunds"]}).refunds

    assert whole == ids[::-1]
    assert [found.id for found in by_charge.data] == [another]
    assert shown is not None
    assert [found.id for found in shown.data] == ids[::-1]


def test_bank_can_be_played_over_http(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session
) -> None:
    made = refund(client, pay(client))
    address = f"{stripe_sandbox.url}/_sandbox/refunds/{made.id}/status"

    failed = browser.post(address, json={"status": "failed"})
    again = browser.post(address, json={"status": "succeeded"})
    unknown = browser.post(f"{address[:-7]}x/status", json={"status": "failed"})

    assert failed.json() == {"ok": True}
    assert client.v1.refunds.retrieve(made.id).status == "failed"
    assert again.status_code == unknown.status_code == 400
    assert "for good" in again.json()["error"]
