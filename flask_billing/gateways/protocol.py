"""What billing asks of a payment processor, in words of its own.

Dataclasses that hold personal data keep it out of their `repr`: they are shown to a person and
forgotten, never logged, cached or stored.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

__all__ = [
    "Address",
    "Customer",
    "CustomerDetails",
    "Gateway",
    "Hold",
    "PaymentMethodDetails",
    "RemoteSetupSession",
    "SetupRequest",
    "TaxId",
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
    payment_method: PaymentMethodDetails | None = None


@dataclass(frozen=True, kw_only=True)
class Hold:
    """An amount held on a payment method, not charged."""

    stripe_id: str
    #: `held`, `processing`, `released` or `declined`.
    state: str


class Gateway(Protocol):
    """The adapter to one payment processor.

    Every method may raise :class:`~flask_billing.errors.GatewayRefusal` (the processor refused and
    did nothing), :class:`~flask_billing.errors.GatewayUnavailable` (nobody knows whether it did)
    and :class:`~flask_billing.errors.GatewayError` (our own fault: key, rights, API version).
    `key` is an idempotency key made from the id of a row that is committed already.
    """

    name: str

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
