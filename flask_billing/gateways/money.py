"""What billing asks of a payment processor about invoices, payments and refunds.

Amounts are in minor units of the invoice's currency, with tax unless it is said otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

__all__ = [
    "CreditNote",
    "InvoiceDocument",
    "InvoiceRequest",
    "LineRequest",
    "MoneyGateway",
    "RemoteCharge",
    "RemoteDispute",
    "RemoteInvoice",
    "RemoteLine",
    "RemotePayment",
    "RemoteRefund",
]


@dataclass(frozen=True, kw_only=True)
class InvoiceRequest:
    """A draft that is asked of the processor.

    :param local_id: Our invoice's id: idempotency key and metadata.
    :param project_key: In the metadata too, with `period`: by them it is found again after our rows
        were restored from a backup, when their ids are new.
    :param period: The first moment of its period, ISO 8601 in UTC.
    :param terms_days: Within how many days it is paid by transfer; `None` where a payment method is
        charged.
    """

    local_id: UUID
    customer_id: str
    project_key: str
    period: str
    currency: str
    automatic_tax: bool = False
    terms_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class LineRequest:
    """A line of a draft.

    :param local_id: Names our line or group of lines, in the metadata: an id, ``"group-3"`` or
        ``"credit"``.
    :param amount: Before tax; negative takes off.
    :param description: Without personal data.
    """

    local_id: str
    amount: int
    description: str


@dataclass(frozen=True, kw_only=True)
class RemoteLine:
    """A line of a draft as the processor has it now."""

    stripe_id: str
    #: `None` for one that we did not add.
    local_id: str | None
    amount: int


@dataclass(frozen=True, kw_only=True)
class RemotePayment:
    """What reached the processor for an invoice, as it is now."""

    stripe_id: str
    #: `open`, `paid` or `canceled`; new values may come.
    state: str
    #: What was paid, or is asked for while nothing is.
    amount: int
    #: The payment intent; `None` where the money came another way.
    intent_id: str | None = None
    #: `succeeded`, `processing`, `requires_action`, `requires_payment_method` …; empty without one.
    intent_state: str = ""
    #: The last charge of the intent, and what is known of it.
    charge_id: str | None = None
    #: The payment method of the last charge, or of the intent where there is none.
    method_id: str | None = None
    refunded: int = 0
    disputed: bool = False
    #: Why the last charge failed.
    code: str | None = None
    decline_code: str | None = None
    paid_at: datetime | None = None
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RemoteInvoice:
    """An invoice as the processor has it now."""

    stripe_id: str
    #: `draft`, `open`, `paid`, `void` or `uncollectible`; new values may come.
    state: str
    currency: str
    customer_id: str | None
    livemode: bool = False
    #: The ids that we gave it: of our row, its project and its period.
    local_id: str | None = None
    project_key: str | None = None
    period: str | None = None
    #: Before tax, and the tax.
    subtotal: int = 0
    tax: int = 0
    total: int = 0
    #: What was paid, what is still to be paid, what credit notes took off, what was paid too much.
    paid: int = 0
    remaining: int = 0
    credited: int = 0
    overpaid: int = 0
    #: `complete`, `requires_location_inputs` or `failed`; `None` where no tax is added.
    tax_state: str | None = None
    #: Whether it is paid by transfer, and until when.
    on_terms: bool = False
    due_at: datetime | None = None
    issued_at: datetime | None = None
    paid_at: datetime | None = None
    #: There only where one invoice was asked for (`invoice`, `pay_invoice`), oldest first.
    payments: tuple[RemotePayment, ...] = ()


@dataclass(frozen=True, kw_only=True)
class InvoiceDocument:
    """What a person sees of an invoice at the processor. Shown and forgotten."""

    number: str = field(default="", repr=False)
    #: Bearer access to the page on which it can be paid, and to the PDF.
    page_url: str | None = field(default=None, repr=False)
    pdf_url: str | None = field(default=None, repr=False)
    recipient: str = field(default="", repr=False)


@dataclass(frozen=True, kw_only=True)
class RemoteCharge:
    """One try to take money, as the processor has it."""

    stripe_id: str
    #: `succeeded`, `pending` or `failed`.
    state: str
    method_id: str | None
    amount: int
    refunded: int = 0
    intent_id: str | None = None
    disputed: bool = False
    code: str | None = None
    decline_code: str | None = None
    never_again: bool = False
    created_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RemoteRefund:
    """Money that goes back, as the processor has it now."""

    stripe_id: str
    #: `pending`, `requires_action`, `succeeded`, `failed` or `canceled`; new values may come.
    state: str
    amount: int
    intent_id: str | None
    local_id: str | None = None
    code: str | None = None


@dataclass(frozen=True, kw_only=True)
class CreditNote:
    """A correction of an invoice, as the processor has it now."""

    stripe_id: str
    #: `issued` or `void`.
    state: str
    amount: int
    invoice_id: str
    local_id: str | None = None
    #: The refunds that it made.
    refund_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RemoteDispute:
    """A payment that a bank asks to give back, or warns of."""

    stripe_id: str
    #: `dispute` or `fraud_warning`.
    kind: str
    #: Such as `needs_response`, `won` or `lost`; `warning` for a warning.
    state: str
    charge_id: str | None
    intent_id: str | None
    method_id: str | None
    reason: str | None = None
    amount: int | None = None
    currency: str | None = None
    respond_by: datetime | None = None


class MoneyGateway(Protocol):
    """The part of a gateway that invoices and charges; errors as in `Gateway`.

    What is made carries our row's id in its metadata and an idempotency key made from it.
    """

    # Issuing

    def invoices_of(self, customer_id: str) -> Iterator[RemoteInvoice]:
        """Yield all invoices of a customer, newest first, page by page; without their payments."""

    def create_invoice(self, request: InvoiceRequest, *, key: str) -> RemoteInvoice:
        """Make a draft, or return the one that the same request made before."""

    def claim_invoice(self, stripe_id: str, *, local_id: UUID) -> RemoteInvoice:
        """Write another row's id into the metadata of an invoice."""

    def invoice_lines(self, stripe_id: str) -> list[RemoteLine]:
        """Return all lines of an invoice."""

    def add_invoice_lines(
        self, stripe_id: str, lines: Sequence[LineRequest], *, key: str
    ) -> RemoteInvoice:
        """Add lines to a draft, at most 250 at once, and return the draft with its new totals."""

    def remove_invoice_lines(self, stripe_id: str, line_ids: Collection[str]) -> RemoteInvoice:
        """Take lines off a draft, and return it with its new totals."""

    def finalize_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Issue a draft; the answer may already be `paid`.

        :raises flask_billing.errors.GatewayRefusal: Code ``"customer_tax_location_invalid"``
            where the address is missing that tax needs.
        """

    # Collecting

    def invoice(self, stripe_id: str) -> RemoteInvoice | None:
        """Return an invoice with its payments, or `None` where the processor knows no such id."""

    def pay_invoice(self, stripe_id: str, method_id: str, *, key: str) -> RemoteInvoice:
        """Charge what remains of an invoice to a payment method, without the customer.

        The answer may still be `open`: a bank debit is under way.

        :raises flask_billing.errors.PaymentDeclined: The method was declined.
        :raises flask_billing.errors.PaymentActionRequired: The bank wants the customer.
        """

    def void_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Make an open invoice void; one that is void already is fine."""

    def write_off_invoice(self, stripe_id: str, *, key: str) -> RemoteInvoice:
        """Mark an open invoice uncollectible; one that is already is fine."""

    def delete_draft(self, stripe_id: str) -> None:
        """Delete a draft; one that is gone already is fine."""

    def invoice_document(self, stripe_id: str) -> InvoiceDocument:
        """Return what a person sees of an invoice."""

    def charges_of(self, intent_id: str) -> list[RemoteCharge]:
        """Return every try to charge a payment intent, oldest first."""

    def charge(self, stripe_id: str) -> RemoteCharge | None:
        """Return a charge, or `None` where the processor knows no such id."""

    def invoice_id_of(self, object_type: str, object_id: str) -> str | None:
        """Return the invoice that an object is about, or `None`.

        :param object_type: ``"invoice"``, ``"invoice_payment"``, ``"payment_intent"``,
            ``"charge"``, ``"refund"``, ``"dispute"``, ``"credit_note"`` or
            ``"radar.early_fraud_warning"``.
        """

    # Giving back

    def create_credit_note(
        self, invoice_id: str, amount: int, *, refund: bool, reason: str, local_id: UUID, key: str
    ) -> CreditNote:
        """Credit a part of an invoice, with its share of tax; sends no e-mail.

        :param refund: Give it back to where it was paid from, else lower what is to be paid.
        """

    def credit_notes(self, invoice_id: str) -> list[CreditNote]:
        """Return all credit notes of an invoice."""

    def create_refund(
        self, intent_id: str, amount: int, *, local_id: UUID, key: str
    ) -> RemoteRefund:
        """Give a part of a payment back, without a credit note."""

    def refund(self, stripe_id: str) -> RemoteRefund | None:
        """Return a refund, or `None` where the processor knows no such id."""

    def refunds_of(self, intent_id: str) -> list[RemoteRefund]:
        """Return all refunds of a payment."""

    def change_balance(
        self, customer_id: str, amount: int, currency: str, *, local_id: UUID, key: str
    ) -> str:
        """Change what a customer owes beside invoices; positive takes credit away.

        :returns: The id of the transaction.
        """

    def find_balance_change(self, customer_id: str, local_id: UUID) -> str | None:
        """Return the id of the balance transaction that was made for our row, if there is one."""

    def balance(self, customer_id: str) -> int:
        """Return a customer's balance in minor units: negative is credit."""

    def dispute(self, stripe_id: str) -> RemoteDispute | None:
        """Return a dispute or an early fraud warning, or `None` where there is no such id."""
