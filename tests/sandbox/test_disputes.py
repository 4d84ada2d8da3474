"""Charges are disputed, asked about and warned of, by test cards and on demand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.paying import charge_of, debit, event_types, pay

if TYPE_CHECKING:
    import requests

    from flask_billing.sandbox import Sandbox

WEEK = 7 * 24 * 3600


def only_dispute(client: stripe.StripeClient, intent: stripe.PaymentIntent) -> stripe.Dispute:
    (found,) = client.v1.disputes.list({"payment_intent": intent.id}).data
    return found


def respond(client: stripe.StripeClient, dispute: str, text: str, **more: Any) -> stripe.Dispute:
    return client.v1.disputes.update(dispute, {"evidence": {"uncategorized_text": text}, **more})


@pytest.mark.parametrize(
    ("token", "reason"),
    [
        ("pm_card_createDispute", "fraudulent"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received"),
    ],
)
def test_card_disputes_its_charge_after_the_payment(
    client: stripe.StripeClient, token: str, reason: str
) -> None:
    fine = pay(client)
    intent = pay(client, token=token)

    dispute = only_dispute(client, intent)

    assert (dispute.reason, dispute.status) == (reason, "needs_response")
    assert (dispute.amount, dispute.currency) == (1000, "eur")
    assert dispute.charge == charge_of(intent)
    assert not dispute.is_charge_refundable
    assert [moved.amount for moved in dispute.balance_transactions] == [-1000]
    assert client.v1.charges.retrieve(charge_of(intent)).disputed
    assert not client.v1.charges.retrieve(charge_of(fine)).disputed
    assert event_types(client)[-3:] == [
        "payment_intent.succeeded",
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
    ]


def test_hold_is_not_disputed(client: stripe.StripeClient) -> None:
    held = client.v1.payment_intents.create(
        {
            "amount": 500,
            "currency": "eur",
            "payment_method": "pm_card_createDispute",
            "confirm": True,
            "off_session": True,
            "capture_method": "manual",
        }
    )

    assert client.v1.disputes.list({"payment_intent": held.id}).data == []


def test_disputed_charge_cannot_be_refunded(client: stripe.StripeClient) -> None:
    intent = pay(client, token="pm_card_createDispute")

    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create({"payment_intent": intent.id})

    assert refused.value.code == "charge_disputed"


def test_inquiry_takes_no_money_and_ends_with_a_refund(client: stripe.StripeClient) -> None:
    intent = pay(client, token="pm_card_createDisputeInquiry")
    asked = only_dispute(client, intent)

    client.v1.refunds.create({"payment_intent": intent.id})

    assert (asked.status, asked.is_charge_refundable) == ("warning_needs_response", True)
    assert asked.balance_transactions == []
    assert only_dispute(client, intent).status == "warning_closed"
    assert "charge.dispute.funds_withdrawn" not in event_types(client)
    assert event_types(client, since="charge.refunded") == [
        "charge.dispute.updated",
        "charge.dispute.closed",
    ]


def test_debit_that_is_disputed_is_lost_at_once(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent = debit(client, "pm_disputed_de")

    stripe_sandbox.answer_debit(intent.id)

    dispute = only_dispute(client, intent)
    assert (dispute.status, dispute.reason) == ("lost", "debit_not_authorized")
    assert event_types(client)[-4:] == [
        "charge.dispute.created",
        "charge.dispute.funds_withdrawn",
        "charge.dispute.updated",
        "charge.dispute.closed",
    ]


def test_evidence_can_be_staged_and_then_wins(client: stripe.StripeClient) -> None:
    dispute = only_dispute(client, pay(client, token="pm_card_createDispute"))

    staged = respond(client, dispute.id, "winning_evidence", submit=False)
    sent = client.v1.disputes.update(dispute.id, {"evidence": {"product_description": "Servers"}})
    won = client.v1.disputes.retrieve(dispute.id)

    details = staged.evidence_details
    assert (staged.status, details.has_evidence, details.submission_count) == (
        "needs_response",
        True,
        0,
    )
    assert (sent.status, sent.evidence_details.submission_count) == ("under_review", 1)
    assert sent.evidence.uncategorized_text == "winning_evidence"
    assert won.status == "won"
    assert [moved.amount for moved in won.balance_transactions] == [-1000, 1000]
    assert event_types(client)[-3:] == [
        "charge.dispute.updated",
        "charge.dispute.funds_reinstated",
        "charge.dispute.closed",
    ]


def test_losing_evidence_loses_and_ends_the_dispute(client: stripe.StripeClient) -> None:
    dispute = only_dispute(client, pay(client, token="pm_card_createDispute"))

    respond(client, dispute.id, "losing_evidence")
    lost = client.v1.disputes.retrieve(dispute.id)
    with pytest.raises(stripe.InvalidRequestError):
        respond(client, dispute.id, "winning_evidence")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.disputes.close(dispute.id)

    assert lost.status == "lost"
    assert [moved.amount for moved in lost.balance_transactions] == [-1000]


def test_inquiry_can_become_a_dispute(client: stripe.StripeClient) -> None:
    asked = only_dispute(client, pay(client, token="pm_card_createDisputeInquiry"))

    respond(client, asked.id, "escalate_inquiry_evidence")
    grown = client.v1.disputes.retrieve(asked.id)

    assert grown.status == "needs_response"
    assert [moved.amount for moved in grown.balance_transactions] == [-1000]
    assert event_types(client)[-1] == "charge.dispute.funds_withdrawn"


def test_closing_accepts_the_loss(client: stripe.StripeClient) -> None:
    dispute = only_dispute(client, pay(client, token="pm_card_createDispute"))

    assert client.v1.disputes.close(dispute.id).status == "lost"
    assert event_types(client)[-1] == "charge.dispute.closed"


def test_dispute_without_a_response_is_lost_when_time_is_up(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    stripe_sandbox.clock.freeze(1_900_000_000)
    dispute = only_dispute(client, pay(client, token="pm_card_createDispute"))
    asked = only_dispute(client, pay(client, token="pm_card_createDisputeInquiry"))

    assert dispute.evidence_details.due_by == 1_900_000_000 + WEEK
    stripe_sandbox.advance(WEEK)

    lost = client.v1.disputes.retrieve(dispute.id)
    assert (lost.status, lost.evidence_details.past_due) == ("lost", True)
    assert client.v1.disputes.retrieve(asked.id).status == "warning_closed"


def test_dispute_can_be_opened_and_moved_through_every_status(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent = pay(client)
    dispute = stripe_sandbox.dispute(charge_of(intent), reason="duplicate", amount=400)
    opened = client.v1.disputes.retrieve(dispute)

    seen = []
    for status in (
        "under_review",
        "lost",
        "appeal_needs_response",
        "appeal_under_review",
        "won",
    ):
        stripe_sandbox.set_dispute_status(dispute, status)
        seen.append(client.v1.disputes.retrieve(dispute).status)

    assert (opened.reason, opened.amount) == ("duplicate", 400)
    assert seen == ["under_review", "lost", "appeal_needs_response", "appeal_under_review", "won"]
    moved = client.v1.disputes.retrieve(dispute).balance_transactions
    assert [transaction.amount for transaction in moved] == [-400, 400]


def test_what_cannot_be_disputed_says_why(
    stripe_sandbox: Sandbox, client: stripe.StripeClient, browser: requests.Session
) -> None:
    disputed = charge_of(pay(client))
    control = f"{stripe_sandbox.url}/_sandbox"

    first = browser.post(f"{control}/charges/{disputed}/dispute", json={"reason": "inquiry"})
    second = browser.post(f"{control}/charges/{disputed}/dispute", json={})
    odd = browser.post(f"{control}/charges/{charge_of(pay(client))}/dispute", json={"reason": "x"})
    moved = browser.post(
        f"{control}/disputes/{first.json()['id']}/status", json={"status": "prevented"}
    )

    assert client.v1.disputes.retrieve(first.json()["id"]).status == "prevented"
    assert moved.json() == {"ok": True}
    assert (second.status_code, odd.status_code) == (400, 400)
    assert "is disputed" in second.json()["error"]
    assert "reason must be one of" in odd.json()["error"]


# Early fraud warnings


def test_card_with_a_fraud_record_brings_a_warning(client: stripe.StripeClient) -> None:
    pay(client)
    intent = pay(client, token="pm_card_createIssuerFraudRecord")

    (warning,) = client.v1.radar.early_fraud_warnings.list().data

    assert (warning.charge, warning.payment_intent) == (charge_of(intent), intent.id)
    assert (warning.actionable, warning.fraud_type) == (True, "made_with_stolen_card")
    assert event_types(client)[-1] == "radar.early_fraud_warning.created"


def test_refund_of_the_whole_charge_settles_a_warning(
    stripe_sandbox: Sandbox, client: stripe.StripeClient
) -> None:
    intent, other = pay(client), pay(client)
    warned = [
        stripe_sandbox.warn_of_fraud(charge_of(paid), fraud_type="misc") for paid in (intent, other)
    ]

    client.v1.refunds.create({"payment_intent": intent.id})

    warnings = client.v1.radar.early_fraud_warnings
    assert [warnings.retrieve(warning).actionable for warning in warned] == [False, True]
    assert event_types(client)[-1] == "radar.early_fraud_warning.updated"
    found = warnings.list({"charge": charge_of(other)}).data
    assert [warning.id for warning in found] == [warned[1]]
