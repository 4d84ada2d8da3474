"""Gives money back through Stripe: credit notes, refunds, balances, and what banks ask back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_billing.gateways.money import CreditNote, RemoteDispute, RemoteRefund
from flask_billing.gateways.stripe.connecting import Connected
from flask_billing.gateways.stripe.failing import none_where_missing, our_errors
from flask_billing.gateways.stripe.money_reading import (
    credit_note_of,
    dispute_of,
    refund_of,
    warning_of,
)
from flask_billing.gateways.stripe.reading import LOCAL_ID, local_id_of

__all__ = ["GivingBack"]

# The only reasons that Stripe prints on a credit note.
_REASONS = {"duplicate", "fraudulent", "order_change", "product_unsatisfactory"}
# How the id of an early fraud warning begins.
_WARNING = "issfr_"


class GivingBack(Connected):
    """The part of the gateway that gives money back."""

    @our_errors
    def create_credit_note(
        self, invoice_id: str, amount: int, *, refund: bool, reason: str, local_id: UUID, key: str
    ) -> CreditNote:
        """Credit a part of an invoice, with its share of tax; sends no e-mail.

        :param reason: Left out where Stripe has no such reason.
        """
        params: dict[str, Any] = {
            "invoice": invoice_id,
            "amount": amount,
            # Stripe would write to the customer otherwise.
            "email_type": "none",
            "metadata": {LOCAL_ID: str(local_id)},
        }
        if refund:
            params["refund_amount"] = amount
        if reason in _REASONS:
            params["reason"] = reason
        note = self._client.v1.credit_notes.create(
            params,  # type: ignore[arg-type]
            {"idempotency_key": key},
        )
        return credit_note_of(note)

    @our_errors
    def credit_notes(self, invoice_id: str) -> list[CreditNote]:
        """Return all credit notes of an invoice."""
        page = self._client.v1.credit_notes.list({"invoice": invoice_id, "limit": 100})
        return [credit_note_of(note) for note in page.auto_paging_iter()]

    @our_errors
    def create_refund(
        self, intent_id: str, amount: int, *, local_id: UUID, key: str
    ) -> RemoteRefund:
        """Give a part of a payment back, without a credit note."""
        return refund_of(
            self._client.v1.refunds.create(
                {
                    "payment_intent": intent_id,
                    "amount": amount,
                    "metadata": {LOCAL_ID: str(local_id)},
                },
                {"idempotency_key": key},
            )
        )

    @our_errors
    @none_where_missing
    def refund(self, stripe_id: str) -> RemoteRefund | None:
        """Return a refund, or `None` where Stripe knows no such id."""
        return refund_of(self._client.v1.refunds.retrieve(stripe_id))

    @our_errors
    def refunds_of(self, intent_id: str) -> list[RemoteRefund]:
        """Return all refunds of a payment."""
        page = self._client.v1.refunds.list({"payment_intent": intent_id, "limit": 100})
        return [refund_of(refund) for refund in page.auto_paging_iter()]

    @our_errors
    def change_balance(
        self, customer_id: str, amount: int, currency: str, *, local_id: UUID, key: str
    ) -> str:
        """Change what a customer owes beside invoices; positive takes credit away."""
        change = self._client.v1.customers.balance_transactions.create(
            customer_id,
            {"amount": amount, "currency": currency, "metadata": {LOCAL_ID: str(local_id)}},
            {"idempotency_key": key},
        )
        return change.id

    @our_errors
    def find_balance_change(self, customer_id: str, local_id: UUID) -> str | None:
        """Return the id of the balance transaction that was made for our row, if there is one."""
        page = self._client.v1.customers.balance_transactions.list(customer_id, {"limit": 100})
        for change in page.auto_paging_iter():
            if local_id_of(change) == str(local_id):
                return change.id
        return None

    @our_errors
    def balance(self, customer_id: str) -> int:
        """Return a customer's balance in minor units: negative is credit; none of a deleted one."""
        customer = self._client.v1.customers.retrieve(customer_id)
        return 0 if getattr(customer, "deleted", False) else customer.balance or 0

    @our_errors
    @none_where_missing
    def dispute(self, stripe_id: str) -> RemoteDispute | None:
        """Return a dispute or an early fraud warning, or `None` where there is no such id."""
        if stripe_id.startswith(_WARNING):
            warnings = self._client.v1.radar.early_fraud_warnings
            return warning_of(warnings.retrieve(stripe_id, {"expand": ["charge"]}))
        return dispute_of(self._client.v1.disputes.retrieve(stripe_id, {"expand": ["charge"]}))
