"""Charges invoices at Stripe, and reads what became of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import stripe

from flask_billing.errors import GatewayError
from flask_billing.gateways.money import RemoteCharge, RemoteInvoice
from flask_billing.gateways.stripe.connecting import Connected
from flask_billing.gateways.stripe.failing import error_of, none_where_missing, our_errors
from flask_billing.gateways.stripe.money_reading import charge_of, invoice_of, payments_of
from flask_billing.gateways.stripe.reading import id_of, part_of

__all__ = ["Paying"]

# Stripe expands four levels at most. From the invoice that ends at the payment intent; from the
# list of its payments, at the charge.
_FROM_INVOICE = ["payments.data.payment.payment_intent"]
_FROM_PAYMENTS = ["data.invoice", "data.payment.payment_intent.latest_charge"]


class Paying(Connected):
    """The part of the gateway that charges invoices and reads their payments."""

    @our_errors
    @none_where_missing
    def invoice(self, stripe_id: str) -> RemoteInvoice | None:
        """Return an invoice with its payments, or `None` where Stripe knows no such id.

        One request for an invoice that was issued, another for one that nothing was asked for.
        """
        return self._paid_invoice(stripe_id) or invoice_of(
            self._client.v1.invoices.retrieve(stripe_id)
        )

    def _paid_invoice(self, stripe_id: str) -> RemoteInvoice | None:
        """Return an invoice that has payments, by the list of these."""
        page = self._client.v1.invoice_payments.list(
            {"invoice": stripe_id, "limit": 100, "expand": _FROM_PAYMENTS}
        )
        payments = list(page.auto_paging_iter())
        return invoice_of(payments[0].invoice, payments_of(payments)) if payments else None

    @our_errors
    def pay_invoice(self, stripe_id: str, method_id: str, *, key: str) -> RemoteInvoice:
        """Charge what remains of an invoice to a payment method, without the customer."""
        invoice = self._client.v1.invoices.pay(
            stripe_id,
            {"payment_method": method_id, "off_session": True, "expand": _FROM_INVOICE},
            {"idempotency_key": key},
        )
        payments = part_of(invoice, "payments", "data") or []
        charged = invoice_of(invoice, payments_of(payments))
        if len(payments) == 1:
            return charged
        try:
            # What became of the charges of older ones is beyond the four levels.
            return self._paid_invoice(stripe_id) or charged
        except stripe.StripeError:
            # It was charged all the same, which an error would deny or leave open.
            return charged

    def void_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Make an open invoice void; one that is void already is fine."""
        service = self._client.v1.invoices
        return self._turned(
            stripe_id,
            "void",
            lambda: service.void_invoice(stripe_id, {}, {"idempotency_key": key}),
        )

    def write_off_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Mark an open invoice uncollectible; one that is already is fine."""
        service = self._client.v1.invoices
        return self._turned(
            stripe_id,
            "uncollectible",
            lambda: service.mark_uncollectible(stripe_id, {}, {"idempotency_key": key}),
        )

    def _turned(
        self, stripe_id: str, state: str, turn: Callable[[], stripe.Invoice]
    ) -> RemoteInvoice:
        turned = _turned_or_refused(turn)
        if isinstance(turned, RemoteInvoice):
            return turned
        # Stripe refuses to do it again, with no code of its own.
        invoice = self.invoice(stripe_id)
        if invoice is None or invoice.state != state:
            raise turned
        return invoice

    @our_errors
    def charges_of(self, intent_id: str) -> list[RemoteCharge]:
        """Return every try to charge a payment intent, oldest first."""
        page = self._client.v1.charges.list({"payment_intent": intent_id, "limit": 100})
        return [charge_of(charge) for charge in page.auto_paging_iter()][::-1]

    @our_errors
    @none_where_missing
    def charge(self, stripe_id: str) -> RemoteCharge | None:
        """Return a charge, or `None` where Stripe knows no such id."""
        return charge_of(self._client.v1.charges.retrieve(stripe_id))

    @our_errors
    @none_where_missing
    def invoice_id_of(self, object_type: str, object_id: str) -> str | None:
        """Return the invoice that an object is about, or `None`.

        An object of a type that this knows nothing of is about none.
        """
        if object_type == "invoice":
            return object_id
        if object_type == "payment_intent":
            return self._invoice_id_of_intent(object_id)
        retrieve = self._retrievers().get(object_type)
        found = None if retrieve is None else retrieve(object_id)
        if found is None:
            return None
        invoice_id = id_of(part_of(found, "invoice"))
        return invoice_id or self._invoice_id_of_payment(found)

    def _retrievers(self) -> dict[str, Callable[[str], Any]]:
        v1 = self._client.v1
        return {
            "invoice_payment": v1.invoice_payments.retrieve,
            "charge": v1.charges.retrieve,
            "refund": v1.refunds.retrieve,
            "dispute": v1.disputes.retrieve,
            "credit_note": v1.credit_notes.retrieve,
            "radar.early_fraud_warning": v1.radar.early_fraud_warnings.retrieve,
        }

    def _invoice_id_of_payment(self, thing: Any) -> str | None:
        intent_id = id_of(part_of(thing, "payment_intent"))
        charge_id = id_of(part_of(thing, "charge"))
        if intent_id is None and charge_id is not None:
            charge = self._client.v1.charges.retrieve(charge_id)
            intent_id = id_of(part_of(charge, "payment_intent"))
        return None if intent_id is None else self._invoice_id_of_intent(intent_id)

    def _invoice_id_of_intent(self, intent_id: str) -> str | None:
        page = self._client.v1.invoice_payments.list(
            {"payment": {"type": "payment_intent", "payment_intent": intent_id}, "limit": 1}
        )
        return next((id_of(payment.invoice) for payment in page.data), None)


@our_errors
def _turned_or_refused(turn: Callable[[], stripe.Invoice]) -> RemoteInvoice | GatewayError:
    try:
        return invoice_of(turn())
    except stripe.InvalidRequestError as error:
        return error_of(error)
