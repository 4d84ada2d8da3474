"""What billing asks of a payment processor, in words of its own.

Dataclasses that hold personal data keep it out of their `repr`: they are shown to a person and
forgotten, never logged, cached or stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from flask_billing.gateways.money import MoneyGateway

__all__ = [
    "Address",
    "Customer",
    "CustomerDetails",
    "Gateway",
    "Hold",
    "Mandate",
    "PaymentMethodDetails",
    "RemoteEvent",
    "RemoteSetupSession",
    "SetupRequest",
    "TaxId",
    "WebhookEndpoint",
]


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where a customer is; empty text where a part is not known."""

    line1: str = field(default="", repr=False)
    line2: str = field(default="", repr=False)
    city: str = field(default="", repr=False)
    postal_code: str = field(default="", repr=False)
    state: str = field(default="", repr=False)
    #: Two capital letters (ISO 3166-1).
    country: str = ""

    def __bool__(self) -> bool:
        """Return whether any part is known."""
        return bool(self.line1 or self.line2 or self.city or self.postal_code or self.country)


@dataclass(frozen=True, kw_only=True)
class TaxId:
    """A customer's tax id and what the processor found out about it."""

    stripe_id: str
    #: The processor's name of the kind, such as ``"eu_vat"``.
    type: str
    value: str = field(repr=False)
    #: `pending`, `verified`, `unverified` or `unavailable`; new values may come.
    verification: str = "unavailable"


@dataclass(frozen=True, kw_only=True)
class CustomerDetails:
    """What a person can edit; empty text clears a field."""

    #: Who pays: a person's name, or the name of who receives mail for the company.
    name: str = field(default="", repr=False)
    company: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    address: Address = field(default_factory=Address)
    #: Printed on every invoice, such as a purchase order number.
    invoice_note: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class Customer:
    """A customer as the processor has it now."""

    stripe_id: str
    livemode: bool = False
    deleted: bool = False
    #: The id of our row that the customer was made for, as the processor was told.
    local_id: str | None = None
    details: CustomerDetails = field(default_factory=CustomerDetails)
    tax_ids: tuple[TaxId, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PaymentMethodDetails:
    """A payment method as the processor has it now."""

    stripe_id: str
    #: The processor's name of the kind, such as ``"card"`` or ``"sepa_debit"``.
    type: str
    #: The customer that it is attached to; `None` once it is detached.
    customer_id: str | None
    brand: str = field(default="", repr=False)
    last4: str = field(default="", repr=False)
    exp_month: int | None = field(default=None, repr=False)
    exp_year: int | None = field(default=None, repr=False)
    #: Such as ``"apple_pay"``; empty for a plain card.
    wallet: str = ""
    #: Recognises the same card within one account. Never stored.
    fingerprint: str = field(default="", repr=False)
    holder: str = field(default="", repr=False)
    address: Address = field(default_factory=Address)
    #: Where the card was issued, two capital letters.
    country: str = ""

    def is_expired(self, at: datetime) -> bool:
        """Return whether the method has run out at the moment `at`."""
        if self.exp_year is None or self.exp_month is None:
            return False
        return (at.year, at.month) > (self.exp_year, self.exp_month)


@dataclass(frozen=True, kw_only=True)
class SetupRequest:
    """What is asked of the processor's page for saving a payment method.

    :param local_id: Our row's id: idempotency key, `client_reference_id` and metadata.
    :param customer_id: `None` where the page collects the details and makes the customer.
    :param return_url: May hold ``{CHECKOUT_SESSION_ID}``, which the processor fills in.
    """

    local_id: UUID
    purpose: str
    customer_id: str | None
    currency: str
    return_url: str
    cancel_url: str


@dataclass(frozen=True, kw_only=True)
class RemoteSetupSession:
    """A stay on the processor's page as the processor has it now."""

    stripe_id: str
    #: `open`, `complete` or `expired`.
    state: str
    #: Bearer access to the page; there only while it is open. Never stored or logged.
    url: str | None = field(repr=False)
    expires_at: datetime
    #: The id of our row that the session was made for, as the processor was told.
    local_id: str | None
    purpose: str | None
    customer_id: str | None
    #: The e-mail that the page collected.
    email: str = field(default="", repr=False)
    #: Whether the setup succeeded: only then does the payment method count.
    succeeded: bool = False
    #: Whether the outcome is still to come.
    processing: bool = False
    #: The customer's permission to debit a bank account, for more than one payment.
    mandate_id: str | None = None
    payment_method: PaymentMethodDetails | None = None


@dataclass(frozen=True, kw_only=True)
class Hold:
    """An amount held on a payment method, not charged."""

    stripe_id: str
    #: `held`, `processing`, `released` or `declined`.
    state: str


@dataclass(frozen=True, kw_only=True)
class Mandate:
    """A customer's permission to debit a bank account."""

    stripe_id: str
    payment_method_id: str | None
    #: Whether it can be used now. One for a single payment is used up by it, which says nothing.
    active: bool
    #: Whether it is meant for more than one payment.
    multi_use: bool = True


@dataclass(frozen=True, kw_only=True)
class RemoteEvent:
    """A notification: what kind of change happened to which object, and nothing of its content."""

    stripe_id: str
    type: str
    livemode: bool
    created_at: datetime
    object_id: str | None = None
    object_type: str | None = None
    #: The customer that the object belongs to, or belonged to before the change.
    customer_id: str | None = None
    #: The connected account that it happened on; `None` for the key's own.
    account_id: str | None = None
    api_version: str | None = None
    #: The key of the request that caused it, whoever made that request.
    idempotency_key: str | None = None


@dataclass(frozen=True, kw_only=True)
class WebhookEndpoint:
    """Where the processor sends its notifications to."""

    stripe_id: str
    url: str
    enabled: bool
    #: Event types, or ``"*"`` for all.
    types: frozenset[str]
    #: The API version that notifications are written in; `None` follows the account's default.
    api_version: str | None = None
    #: Whether it is sent what happens on connected accounts instead of what happens on our own.
    connect: bool = False
    #: What it signs with; there only in the answer that creates it.
    secret: str | None = field(default=None, repr=False)


class Gateway(MoneyGateway, Protocol):
    """The adapter to one payment processor.

    Every method may raise :class:`~flask_billing.errors.GatewayRefusal` (the processor refused and
    did nothing), :class:`~flask_billing.errors.GatewayUnavailable` (nobody knows whether it did)
    and :class:`~flask_billing.errors.GatewayError` (our own fault: key, rights, API version).
    `key` is an idempotency key made from the id of a row that is committed already.
    """

    name: str
    #: The version of the processor's API that this adapter speaks.
    api_version: str

    def account_id(self) -> str:
        """Return the id of the account that the key belongs to."""

    def create_setup_session(self, request: SetupRequest) -> RemoteSetupSession:
        """Open the processor's page, or return the one that the same request opened before."""

    def setup_session(self, stripe_id: str) -> RemoteSetupSession:
        """Return a setup session with its payment method."""

    def expire_setup_session(self, stripe_id: str) -> None:
        """Close the processor's page, so that nothing can be saved there any more."""

    def customer(self, stripe_id: str) -> Customer:
        """Return a customer with its tax ids; a deleted one says so."""

    def update_customer(
        self, stripe_id: str, details: CustomerDetails, *, local_id: UUID, key: str
    ) -> Customer:
        """Write all of `details` to a customer, and our row's id into its metadata."""

    def add_tax_id(self, customer_id: str, type: str, value: str, *, key: str) -> TaxId:
        """Give a customer a tax id; the processor verifies it on its own."""

    def remove_tax_id(self, customer_id: str, tax_id: str) -> None:
        """Take a tax id from a customer; one that is gone already is fine."""

    def payment_methods(self, customer_id: str) -> list[PaymentMethodDetails]:
        """Return everything that a customer has saved."""

    def payment_method(self, stripe_id: str) -> PaymentMethodDetails | None:
        """Return a payment method, or `None` where the processor knows no such id."""

    def detach_payment_method(self, stripe_id: str) -> None:
        """Take a payment method from its customer for good; one that is gone already is fine."""

    def hold(
        self, customer_id: str, method_id: str, amount: int, currency: str, *, local_id: UUID
    ) -> Hold:
        """Hold `amount` minor units without charging them.

        :raises flask_billing.errors.PaymentDeclined: The method can't be charged.
        """

    def find_hold(self, customer_id: str, local_id: UUID) -> Hold | None:
        """Return the hold that was made for our row, if there is one."""

    def release_hold(self, stripe_id: str) -> Hold:
        """Give a held amount back; one that is released already is fine."""

    def setup_intent_local_id(self, stripe_id: str) -> str | None:
        """Return the id of our row that an attempt to save a method was made for, if any.

        :returns: `None` also where the processor knows no such attempt.
        """

    def mandate(self, stripe_id: str) -> Mandate | None:
        """Return a mandate, or `None` where the processor knows no such id."""

    def customers(self, *, after: str | None = None) -> Iterator[Customer]:
        """Yield every customer of the account with its `local_id`, newest first, page by page.

        :param after: The id of the last one that was seen.
        """

    def read_event(self, body: bytes, signature: str, secrets: Iterable[str]) -> RemoteEvent:
        """Return the notification in a request, if one of `secrets` has signed it just now.

        Makes no call.

        :param body: The raw bytes of the request.
        :param signature: The header that came with it.
        :raises flask_billing.errors.EventRefused: It is not signed by any of them, too old, from
            the future, or no notification at all.
        """

    def events(
        self, *, types: Iterable[str] = (), since: datetime | None = None, undelivered: bool = False
    ) -> Iterator[RemoteEvent]:
        """Yield the notifications that the processor still keeps, newest first, page by page.

        :param types: None for all.
        :param since: Only those that happened at or after this moment.
        :param undelivered: Only those that some endpoint did not take yet.
        """

    def webhook_endpoints(self) -> list[WebhookEndpoint]:
        """Return all addresses that notifications are sent to."""

    def create_webhook_endpoint(self, url: str, types: Iterable[str]) -> WebhookEndpoint:
        """Have notifications of `types` sent to `url`, in this adapter's API version.

        Each call makes one, with a secret of its own, even for an address that has one.
        """

    def update_webhook_endpoint(
        self, stripe_id: str, *, types: Iterable[str] | None = None, enabled: bool | None = None
    ) -> WebhookEndpoint:
        """Change which notifications an endpoint wants, or whether it gets any."""

    def delete_webhook_endpoint(self, stripe_id: str) -> None:
        """Send nothing more to an endpoint; one that is gone already is fine."""
