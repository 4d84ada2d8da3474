"""Ways through the endpoints for what follows a payment, and for time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import stripe

from tests.sandbox.paying import charge_of, customer_with, pay

if TYPE_CHECKING:
    from flask_billing.sandbox import Sandbox


def walk_through_refunds(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    refunds = client.v1.refunds
    intent = pay(client)
    params: Any = {
        "payment_intent": intent.id,
        "amount": 300,
        "reason": "requested_by_customer",
        "metadata": {"ours": "1"},
    }
    made = refunds.create(params)
    refunds.update(made.id, {"metadata": {"ours": "2"}})
    refunds.retrieve(made.id, {"expand": ["charge", "payment_intent", "customer"]})
    refunds.create({"charge": charge_of(pay(client, token="pm_card_pendingRefund"))})
    refunds.list({"payment_intent": intent.id, "limit": 5})
    client.v1.charges.retrieve(charge_of(intent), {"expand": ["refunds"]})
    waiting = refunds.create({"charge": charge_of(intent), "amount": 100})
    sandbox.set_refund_status(waiting.id, "requires_action")
    refunds.cancel(waiting.id)
    failing = refunds.create({"charge": charge_of(intent), "amount": 200})
    sandbox.set_refund_status(failing.id, "failed")
    refunds.retrieve(failing.id)
    with pytest.raises(stripe.InvalidRequestError):
        refunds.create({"charge": charge_of(intent), "amount": 5000})


def walk_through_disputes(sandbox: Sandbox, client: stripe.StripeClient) -> None:
    disputes = client.v1.disputes
    for card in ("createDispute", "createDisputeInquiry", "createDisputeProductNotReceived"):
        intent = pay(client, token=f"pm_card_{card}")
        (dispute,) = disputes.list({"payment_intent": intent.id}).data
        disputes.retrieve(dispute.id, {"expand": ["charge", "payment_intent"]})
    evidence: Any = {"uncategorized_text": "winning_evidence", "product_description": "Servers"}
    disputes.update(dispute.id, {"evidence": evidence, "submit": True, "metadata": {"ours": "1"}})
    disputes.retrieve(dispute.id)
    other = sandbox.dispute(charge_of(pay(client)), reason="duplicate", amount=100)
    disputes.close(other)
    disputes.list({"charge": str(dispute.charge), "created": {"gt": 0}})
    warned = charge_of(pay(client, token="pm_card_createIssuerFraudRecord"))
    warnings = client.v1.radar.early_fraud_warnings
    (warning,) = warnings.list({"charge": warned}).data
    warnings.retrieve(warning.id, {"expand": ["charge", "payment_intent"]})
    client.v1.refunds.create({"charge": warned, "reason": "fraudulent"})


def walk_through_test_clocks(client: stripe.StripeClient) -> None:
    clocks = client.v1.test_helpers.test_clocks
    clock = clocks.create({"frozen_time": 1_700_000_000, "name": "A year"})
    client.v1.customers.create({"test_clock": clock.id})
    clocks.create({"frozen_time": 1_700_000_000, "customer": client.v1.customers.create({}).id})
    clocks.advance(clock.id, {"frozen_time": 1_700_000_000 + 86_400})
    clocks.retrieve(clock.id)
    clocks.list({"limit": 1})
    clocks.delete(clock.id)


def walk_through_credit_notes(client: stripe.StripeClient) -> None:
    notes = client.v1.credit_notes
    opened = _invoice(client)
    basics: Any = {"invoice": opened.id, "email_type": "none", "reason": "order_change"}
    lowered = notes.create({**basics, "amount": 300, "memo": "Sorry", "metadata": {"ours": "1"}})
    notes.update(lowered.id, {"memo": "Still sorry", "metadata": {"ours": "2"}})
    notes.void_credit_note(lowered.id)
    paid = client.v1.invoices.pay(_invoice(client).id)
    (line,) = client.v1.invoices.line_items.list(paid.id).data
    lines: Any = [
        {"type": "invoice_line_item", "invoice_line_item": line.id, "amount": 100},
        {"type": "custom_line_item", "description": "x", "unit_amount": 5, "quantity": 2},
    ]
    split: Any = {"refund_amount": 60, "credit_amount": 50, "out_of_band_amount": 19}
    given: Any = {"invoice": paid.id, "lines": lines, **split}
    notes.preview(given)
    note = notes.create(given)
    notes.retrieve(note.id, {"expand": ["customer", "invoice", "customer_balance_transaction"]})
    notes.list({"invoice": paid.id, "customer": str(paid.customer), "created": {"gt": 0}})
    notes.line_items.list(note.id, {"limit": 1})
    refund: Any = [{"refund": str(note.refunds[0].refund), "amount_refunded": 61}]
    with pytest.raises(stripe.InvalidRequestError):
        notes.create({"invoice": paid.id, "amount": 61, "refunds": refund})


def _invoice(client: stripe.StripeClient) -> stripe.Invoice:
    customer, method = customer_with(client, address={"country": "DE"})
    invoice = client.v1.invoices.create(
        {
            "customer": customer,
            "currency": "eur",
            "automatic_tax": {"enabled": True},
            "default_payment_method": method,
        }
    )
    client.v1.invoice_items.create({"customer": customer, "invoice": invoice.id, "amount": 1000})
    return client.v1.invoices.finalize_invoice(invoice.id)
