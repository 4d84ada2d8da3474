"""Speaks to Stripe; the only importer of its SDK."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import stripe

from flask_billing.errors import GatewayError
from flask_billing.gateways.protocol import (
    Customer,
    CustomerDetails,
    Hold,
    Mandate,
    PaymentMethodDetails,
    RemoteSetupSession,
    SetupRequest,
    TaxId,
)
from flask_billing.gateways.stripe.failing import (
    error_of,
    none_where_missing,
    our_errors,
    our_errors_on_the_way,
)
from flask_billing.gateways.stripe.giving_back import GivingBack
from flask_billing.gateways.stripe.issuing import Issuing
from flask_billing.gateways.stripe.notifying import Notifying
from flask_billing.gateways.stripe.paying import Paying
from flask_billing.gateways.stripe.reading import (
    LOCAL_ID,
    NOTE,
    PURPOSE,
    customer_of,
    hold_of,
    local_id_of,
    mandate_of,
    method_of,
    session_of,
    tax_id_of,
)

__all__ = ["StripeGateway"]


class StripeGateway(Issuing, Paying, GivingBack, Notifying):
    """Speaks to Stripe with one client for each app.

    The API version is the SDK's own. Connection and reading have time limits, and an unknown
    outcome is tried again twice under the same idempotency key before it is reported. Calls keep to
    `BILLING_STRIPE_RATE`, and to what Stripe has room for.
    """

    name = "stripe"

    @our_errors
    def account_id(self) -> str:
        """Return the id of the account that the key belongs to."""
        return self._client.v1.accounts.retrieve_current().id

    @our_errors
    def create_setup_session(self, request: SetupRequest) -> RemoteSetupSession:
        """Open Checkout in setup mode, or return the session that the same request opened."""
        ours = {LOCAL_ID: str(request.local_id), PURPOSE: request.purpose}
        params: dict[str, Any] = {
            "mode": "setup",
            "ui_mode": "hosted_page",
            "currency": request.currency,
            "success_url": request.return_url,
            "cancel_url": request.cancel_url,
            "client_reference_id": str(request.local_id),
            "metadata": ours,
            "setup_intent_data": {"metadata": ours},
        }
        if request.customer_id is None:
            params |= {"customer_creation": "always", "billing_address_collection": "required"}
        else:
            params["customer"] = request.customer_id
        session = self._client.v1.checkout.sessions.create(
            params,  # type: ignore[arg-type]
            {"idempotency_key": f"setup-{request.local_id}"},
        )
        return session_of(session)

    @our_errors
    def setup_session(self, stripe_id: str) -> RemoteSetupSession:
        """Return a Checkout session with its payment method."""
        session = self._client.v1.checkout.sessions.retrieve(
            stripe_id, {"expand": ["setup_intent.payment_method"]}
        )
        return session_of(session)

    @our_errors
    def expire_setup_session(self, stripe_id: str) -> None:
        """Close the Checkout page, so that nothing can be saved there any more."""
        self._client.v1.checkout.sessions.expire(stripe_id)

    @our_errors
    def customer(self, stripe_id: str) -> Customer:
        """Return a customer with its tax ids; a deleted one says so."""
        return customer_of(self._client.v1.customers.retrieve(stripe_id, {"expand": ["tax_ids"]}))

    @our_errors_on_the_way
    def customers(self, *, after: str | None = None) -> Iterator[Customer]:
        """Yield every customer of the account, newest first; without their tax ids."""
        params: Any = {"limit": 100}
        if after is not None:
            params["starting_after"] = after
        for customer in self._client.v1.customers.list(params).auto_paging_iter():
            yield customer_of(customer)

    @our_errors
    def update_customer(
        self, stripe_id: str, details: CustomerDetails, *, local_id: UUID, key: str
    ) -> Customer:
        """Write all of `details` to a customer, and our row's id into its metadata."""
        # An empty text clears a field at Stripe; null would leave it as it is.
        fields = ("line1", "line2", "city", "postal_code", "state", "country")
        address = {field: getattr(details.address, field) for field in fields}
        note = details.invoice_note
        params: dict[str, Any] = {
            "name": details.name,
            "business_name": details.company,
            "email": details.email,
            "address": address if details.address else "",
            "invoice_settings": {"custom_fields": [{"name": NOTE, "value": note}] if note else ""},
            "metadata": {LOCAL_ID: str(local_id)},
            "expand": ["tax_ids"],
        }
        customer = self._client.v1.customers.update(
            stripe_id,
            params,  # type: ignore[arg-type]
            {"idempotency_key": key},
        )
        return customer_of(customer)

    @our_errors
    def add_tax_id(self, customer_id: str, type: str, value: str, *, key: str) -> TaxId:
        """Give a customer a tax id; Stripe verifies it on its own."""
        params: Any = {"type": type, "value": value}
        return tax_id_of(
            self._client.v1.customers.tax_ids.create(customer_id, params, {"idempotency_key": key})
        )

    @our_errors
    @none_where_missing
    def remove_tax_id(self, customer_id: str, tax_id: str) -> None:
        """Take a tax id from a customer; one that is gone already is fine."""
        self._client.v1.customers.tax_ids.delete(customer_id, tax_id)

    @our_errors
    def payment_methods(self, customer_id: str) -> list[PaymentMethodDetails]:
        """Return everything that a customer has saved."""
        page = self._client.v1.customers.payment_methods.list(customer_id, {"limit": 100})
        return [method_of(method) for method in page.auto_paging_iter()]

    @our_errors
    @none_where_missing
    def payment_method(self, stripe_id: str) -> PaymentMethodDetails | None:
        """Return a payment method, or `None` where Stripe knows no such id."""
        return method_of(self._client.v1.payment_methods.retrieve(stripe_id))

    def detach_payment_method(self, stripe_id: str) -> None:
        """Take a payment method from its customer for good; one that is gone already is fine."""
        refusal = self._detach(stripe_id)
        # Stripe answers a second detach with a refusal that has no code of its own.
        if refusal is not None:
            method = self.payment_method(stripe_id)
            if method is not None and method.customer_id is not None:
                raise refusal

    @our_errors
    def _detach(self, stripe_id: str) -> GatewayError | None:
        try:
            self._client.v1.payment_methods.detach(stripe_id)
        except stripe.InvalidRequestError as error:
            return error_of(error)
        return None

    @our_errors
    @none_where_missing
    def setup_intent_local_id(self, stripe_id: str) -> str | None:
        """Return the id of our row that a setup intent was made for, if any."""
        intent = self._client.v1.setup_intents.retrieve(stripe_id)
        return local_id_of(intent) if intent.id else None

    @our_errors
    @none_where_missing
    def mandate(self, stripe_id: str) -> Mandate | None:
        """Return a mandate, or `None` where Stripe knows no such id."""
        return mandate_of(self._client.v1.mandates.retrieve(stripe_id))

    @our_errors
    def hold(
        self, customer_id: str, method_id: str, amount: int, currency: str, *, local_id: UUID
    ) -> Hold:
        """Hold `amount` minor units with an uncaptured payment intent."""
        intent = self._client.v1.payment_intents.create(
            {
                "amount": amount,
                "currency": currency,
                "customer": customer_id,
                "payment_method": method_id,
                "capture_method": "manual",
                "confirm": True,
                "off_session": True,
                "metadata": {LOCAL_ID: str(local_id)},
            },
            {"idempotency_key": f"hold-{local_id}"},
        )
        return hold_of(intent)

    @our_errors
    def find_hold(self, customer_id: str, local_id: UUID) -> Hold | None:
        """Return the hold that was made for our row, if there is one."""
        page = self._client.v1.payment_intents.list({"customer": customer_id, "limit": 100})
        for intent in page.auto_paging_iter():
            if local_id_of(intent) == str(local_id):
                return hold_of(intent)
        return None

    @our_errors
    def release_hold(self, stripe_id: str) -> Hold:
        """Give a held amount back; one that is released already is fine."""
        intent = self._client.v1.payment_intents.retrieve(stripe_id)
        if intent.status == "canceled":
            return hold_of(intent)
        return hold_of(self._client.v1.payment_intents.cancel(stripe_id))
