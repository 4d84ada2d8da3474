"""Money goes back once, is found again by our row's id, and what banks ask back is read."""

from __future__ import annotations

import pytest
import stripe

from flask_billing.errors import GatewayRefusal, GatewayUnavailable
from flask_billing.gateways.stripe import StripeGateway
from flask_billing.sandbox import Sandbox
from tests.gateways.billed import attached, charge_of, intent_of, issued, paid, payment_of
from tests.gateways.conftest import OTHER_ROW, ROW, Saved

pytestmark = pytest.mark.usefixtures("conforming")


def test_credit_note_gives_a_part_back_and_writes_to_nobody(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    invoice = paid(gateway, saved, 1000)

    note = gateway.create_credit_note(
        invoice.stripe_id, 300, refund=True, reason="order_change", local_id=ROW, key="note-1"
    )

    sent = stripe_sandbox.requests[-1]
    assert sent.idempotency_key == "note-1"
    assert sent.params["email_type"] == "none"
    assert sent.params["reason"] == "order_change"
    assert sent.params["metadata"] == {"flask_billing_id": str(ROW)}
    assert (note.state, note.amount, note.invoice_id) == ("issued", 300, invoice.stripe_id)
    [refund_id] = note.refund_ids
    refund = gateway.refund(refund_id)
    assert refund is not None
    assert (refund.state, refund.amount, refund.intent_id) == (
        "succeeded",
        300,
        intent_of(invoice),
    )
    seen = gateway.invoice(invoice.stripe_id)
    assert seen is not None
    assert (seen.state, seen.credited, payment_of(seen).refunded) == ("paid", 300, 300)


def test_credit_note_on_an_open_invoice_lowers_what_is_to_be_paid(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    invoice = issued(gateway, saved, 1000)

    note = gateway.create_credit_note(
        invoice.stripe_id, 300, refund=False, reason="goodwill", local_id=ROW, key="note-1"
    )

    assert "reason" not in stripe_sandbox.requests[-1].params
    assert note.refund_ids == ()
    seen = gateway.invoice(invoice.stripe_id)
    assert seen is not None
    assert (seen.state, seen.remaining, seen.credited) == ("open", 700, 300)


def test_credit_notes_of_an_invoice_are_told_apart_by_our_rows(
    gateway: StripeGateway, saved: Saved
) -> None:
    first, second = (paid(gateway, saved, 1000, row=row) for row in (ROW, OTHER_ROW))
    for invoice, row in ((first, ROW), (first, OTHER_ROW), (second, ROW)):
        gateway.create_credit_note(
            invoice.stripe_id,
            100,
            refund=True,
            reason="duplicate",
            local_id=row,
            key=f"note-{invoice.stripe_id}-{row}",
        )

    notes = gateway.credit_notes(first.stripe_id)

    assert sorted(str(note.local_id) for note in notes) == [str(ROW), str(OTHER_ROW)]
    assert [note.local_id for note in gateway.credit_notes(second.stripe_id)] == [str(ROW)]


def test_credit_note_whose_answer_was_lost_is_made_once_and_found(
    gateway: StripeGateway, stripe_sandbox: Sandbox, saved: Saved
) -> None:
    invoice = paid(gateway, saved, 1000)
    stripe_sandbox.fail("POST /v1/credit_notes", how="error_500_after")

    for _ in range(2):
        with pytest.raises(GatewayUnavailable):
            gateway.create_credit_note(
                invoice.stripe_id, 100, refund=True, reason="x", local_id=ROW, key="note-1"
            )

    [found] = gateway.credit_notes(invoice.stripe_id)
    assert (found.local_id, found.amount) == (str(ROW), 100)


def test_more_than_was_paid_does_not_go_back(gateway: StripeGateway, saved: Saved) -> None:
    invoice = paid(gateway, saved, 1000)

    with pytest.raises(GatewayRefusal):
        gateway.create_credit_note(
            invoice.stripe_id, 1001, refund=True, reason="x", local_id=ROW, key="note-1"
        )
    with pytest.raises(GatewayRefusal):
        gateway.create_refund(intent_of(invoice), 1001, local_id=ROW, key="refund-1")

    assert gateway.refunds_of(intent_of(invoice)) == []


def test_refunds_of_a_payment_are_found_by_our_rows(gateway: StripeGateway, saved: Saved) -> None:
    invoice = paid(gateway, saved, 1000)
    other = paid(gateway, saved, 1000, row=OTHER_ROW)
    made = [
        gateway.create_refund(intent_of(invoice), 100, local_id=row, key=f"refund-{row}")
        for row in (ROW, OTHER_ROW, ROW)
    ]

    assert made[0] == made[2]
    assert gateway.refunds_of(intent_of(invoice)) == [made[1], made[0]]
    assert gateway.refunds_of(intent_of(other)) == []
    assert [refund.local_id for refund in made[:2]] == [str(ROW), str(OTHER_ROW)]
    assert gateway.refund(made[1].stripe_id) == made[1]
    assert gateway.refund("re_nobody") is None
    seen = gateway.invoice(invoice.stripe_id)
    assert seen is not None
    assert payment_of(seen).refunded == 200


@pytest.mark.parametrize(
    ("card", "first", "later"),
    [
        ("pm_card_pendingRefund", "pending", "succeeded"),
        ("pm_card_refundFail", "succeeded", "failed"),
    ],
)
def test_refund_can_turn_out_otherwise_later(
    gateway: StripeGateway,
    stripe_sandbox: Sandbox,
    sdk: stripe.StripeClient,
    saved: Saved,
    card: str,
    first: str,
    later: str,
) -> None:
    invoice = paid(gateway, Saved(saved.customer, attached(sdk, saved, card)), 1000)
    refund = gateway.create_refund(intent_of(invoice), 400, local_id=ROW, key="refund-1")

    stripe_sandbox.advance(7 * 24 * 3600)

    seen = gateway.refund(refund.stripe_id)
    assert seen is not None
    assert (refund.state, seen.state) == (first, later)
    assert (seen.code is None) is (later == "succeeded")


def test_balance_changes_once_a_row_and_is_found_by_it(
    gateway: StripeGateway, saved: Saved
) -> None:
    made = [
        gateway.change_balance(saved.customer, amount, "eur", local_id=row, key=f"balance-{row}")
        for row, amount in ((ROW, -500), (OTHER_ROW, 200), (ROW, -500))
    ]

    assert made[0] == made[2]
    assert gateway.balance(saved.customer) == -300
    assert gateway.find_balance_change(saved.customer, ROW) == made[0]
    assert gateway.find_balance_change(saved.customer, OTHER_ROW) == made[1]


def test_balance_that_nobody_changed_is_nothing(
    gateway: StripeGateway, sdk: stripe.StripeClient, saved: Saved
) -> None:
    assert gateway.balance(saved.customer) == 0
    assert gateway.find_balance_change(saved.customer, ROW) is None
    sdk.v1.customers.delete(saved.customer)
    assert gateway.balance(saved.customer) == 0


def test_dispute_names_the_payment_and_until_when_to_answer(
    gateway: StripeGateway, stripe_sandbox: Sandbox, sdk: stripe.StripeClient, saved: Saved
) -> None:
    card = attached(sdk, saved, "pm_card_createDispute")
    invoice = paid(gateway, Saved(saved.customer, card), 1000)
    stripe_sandbox.advance(60)
    [listed] = sdk.v1.disputes.list({"payment_intent": intent_of(invoice)}).data

    dispute = gateway.dispute(listed.id)

    assert dispute is not None
    assert (dispute.kind, dispute.state) == ("dispute", "needs_response")
    assert (dispute.reason, dispute.amount, dispute.currency) == ("fraudulent", 1000, "eur")
    assert (dispute.intent_id, dispute.charge_id) == (intent_of(invoice), charge_of(invoice))
    assert dispute.method_id == card
    assert dispute.respond_by is not None
    assert gateway.invoice_id_of("dispute", listed.id) == invoice.stripe_id
    seen = gateway.invoice(invoice.stripe_id)
    assert seen is not None
    assert payment_of(seen).disputed
    assert gateway.dispute("du_nobody") is None


def test_fraud_warning_names_the_payment(
    gateway: StripeGateway, stripe_sandbox: Sandbox, sdk: stripe.StripeClient, saved: Saved
) -> None:
    card = attached(sdk, saved, "pm_card_createIssuerFraudRecord")
    invoice = paid(gateway, Saved(saved.customer, card), 1000)
    stripe_sandbox.advance(60)
    [listed] = sdk.v1.radar.early_fraud_warnings.list({"charge": charge_of(invoice)}).data

    warning = gateway.dispute(listed.id)

    assert warning is not None
    assert (warning.kind, warning.state) == ("fraud_warning", "warning")
    assert (warning.amount, warning.respond_by) == (None, None)
    assert (warning.intent_id, warning.method_id) == (intent_of(invoice), card)
    assert gateway.invoice_id_of("radar.early_fraud_warning", listed.id) == invoice.stripe_id
    assert gateway.dispute("issfr_nobody") is None
