"""Issues invoices at Stripe: drafts, their lines, and what a person sees of them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any
from uuid import UUID

from flask_billing.gateways.money import (
    InvoiceDocument,
    InvoiceRequest,
    LineRequest,
    RemoteInvoice,
    RemoteLine,
)
from flask_billing.gateways.stripe.connecting import Connected
from flask_billing.gateways.stripe.failing import (
    none_where_missing,
    our_errors,
    our_errors_on_the_way,
)
from flask_billing.gateways.stripe.money_reading import (
    PERIOD,
    PROJECT,
    document_of,
    invoice_of,
    line_of,
)
from flask_billing.gateways.stripe.reading import LOCAL_ID

__all__ = ["Issuing"]


class Issuing(Connected):
    """The part of the gateway that makes invoices. Stripe never advances one on its own."""

    @our_errors_on_the_way
    def invoices_of(self, customer_id: str) -> Iterator[RemoteInvoice]:
        """Yield all invoices of a customer, newest first; without their payments."""
        page = self._client.v1.invoices.list({"customer": customer_id, "limit": 100})
        for invoice in page.auto_paging_iter():
            yield invoice_of(invoice)

    @our_errors
    def create_invoice(self, request: InvoiceRequest, *, key: str) -> RemoteInvoice:
        """Make a draft, or return the one that the same request made before."""
        on_terms = request.terms_days is not None
        params: dict[str, Any] = {
            "customer": request.customer_id,
            "currency": request.currency,
            "auto_advance": False,
            "collection_method": "send_invoice" if on_terms else "charge_automatically",
            "pending_invoice_items_behavior": "exclude",
            # Said in either case: left out, the account's own default would decide.
            "automatic_tax": {"enabled": request.automatic_tax},
            # Left out, a coupon of the customer would take off what we have counted already.
            "discounts": "",
            "metadata": {
                LOCAL_ID: str(request.local_id),
                PROJECT: request.project_key,
                PERIOD: request.period,
            },
        }
        if on_terms:
            params["days_until_due"] = request.terms_days
        return invoice_of(
            self._client.v1.invoices.create(
                params,  # type: ignore[arg-type]
                {"idempotency_key": key},
            )
        )

    @our_errors
    def claim_invoice(self, stripe_id: str, *, local_id: UUID) -> RemoteInvoice:
        """Write another row's id into the metadata of an invoice; the rest of it stays."""
        return invoice_of(
            self._client.v1.invoices.update(stripe_id, {"metadata": {LOCAL_ID: str(local_id)}})
        )

    @our_errors
    def invoice_lines(self, stripe_id: str) -> list[RemoteLine]:
        """Return all lines of an invoice."""
        page = self._client.v1.invoices.line_items.list(stripe_id, {"limit": 100})
        return [line_of(line) for line in page.auto_paging_iter()]

    @our_errors
    def add_invoice_lines(
        self, stripe_id: str, lines: Sequence[LineRequest], *, key: str
    ) -> RemoteInvoice:
        """Add lines to a draft, at most 250 at once, and return the draft with its new totals."""
        wanted: Any = [
            {
                "amount": line.amount,
                "description": line.description,
                "metadata": {LOCAL_ID: line.local_id},
            }
            for line in lines
        ]
        return invoice_of(
            self._client.v1.invoices.add_lines(
                stripe_id, {"lines": wanted}, {"idempotency_key": key}
            )
        )

    @our_errors
    def remove_invoice_lines(self, stripe_id: str, line_ids: Collection[str]) -> RemoteInvoice:
        """Take lines off a draft, and return it with its new totals."""
        unwanted: Any = [{"id": line_id, "behavior": "delete"} for line_id in line_ids]
        return invoice_of(self._client.v1.invoices.remove_lines(stripe_id, {"lines": unwanted}))

    @our_errors
    def finalize_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Issue a draft; the answer may already be `paid`, from the customer's balance."""
        return invoice_of(
            self._client.v1.invoices.finalize_invoice(
                stripe_id, {"auto_advance": False}, {"idempotency_key": key}
            )
        )

    @our_errors
    @none_where_missing
    def delete_draft(self, stripe_id: str) -> None:
        """Delete a draft; one that is gone already is fine."""
        self._client.v1.invoices.delete(stripe_id)

    @our_errors
    def invoice_document(self, stripe_id: str) -> InvoiceDocument:
        """Return what a person sees of an invoice."""
        return document_of(self._client.v1.invoices.retrieve(stripe_id))
