"""How the money of an invoice comes in: its state at the processor, tries and payments."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    column,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.invoice import Invoice
from flask_billing.models.payment_method import PaymentMethod
from flask_billing.models.registry import Model, current_livemode
from flask_billing.models.types import ExactText, UTCDateTime

__all__ = ["InvoiceCollection", "InvoicePayment", "PaymentAttempt"]


class InvoiceCollection(Model):
    """How the money of one invoice comes in. Amounts are in minor units of its currency.

    What the processor says (`sync` alone writes it) and what we decided are kept apart. Our states:
    `waiting` (for its next try), `processing` (a bank has the money under way), `transfer` (on
    terms: the owner pays by transfer), `past_due` (every planned try failed), `parked` (somebody
    has to look; `reason` says why) and `done`.
    """

    __tablename__ = "billing_collection"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("billing_collection_stripe_id_key")),
        Index(conv("billing_collection_due_idx"), "livemode", "state", "next_try_at"),
        Index(conv("billing_collection_billing_info_id_idx"), "billing_info_id", "state"),
        Index(conv("billing_collection_overpaid_idx"), "overpaid"),
    )

    invoice_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("billing_invoice.id", name=conv("billing_collection_invoice_id_fkey")),
        primary_key=True,
    )
    #: Who pays it: fixed when it is issued, null before.
    billing_info_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_info.id", name=conv("billing_collection_billing_info_id_fkey"))
    )
    #: Whether it is about real money; as the key that was set when it was closed.
    livemode: Mapped[bool] = mapped_column(Boolean, default=current_livemode)

    # What the processor says.

    #: The invoice's id at the gateway, once it is known.
    stripe_id: Mapped[str | None] = mapped_column(ExactText())
    #: `draft`, `open`, `paid`, `void`, `uncollectible` or `deleted`; new values may come.
    remote_state: Mapped[str | None] = mapped_column(String(40))
    #: When the processor was last asked, on the database's own counter; a later answer wins.
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    #: With tax, and the tax in it.
    total: Mapped[int | None] = mapped_column(BigInteger)
    tax: Mapped[int | None] = mapped_column(BigInteger)
    paid: Mapped[int | None] = mapped_column(BigInteger)
    remaining: Mapped[int | None] = mapped_column(BigInteger)
    #: What credit notes took off, and what was paid too much.
    credited: Mapped[int | None] = mapped_column(BigInteger)
    overpaid: Mapped[int | None] = mapped_column(BigInteger)
    #: `complete`, `requires_location_inputs` or `failed`; null where the processor adds no tax.
    tax_state: Mapped[str | None] = mapped_column(String(40))
    issued_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Until when it is to be paid, where the owner pays by transfer.
    due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    paid_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    # What we decided.

    state: Mapped[str] = mapped_column(String(20), default="waiting")
    state_since: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: Why it is parked, in one word.
    reason: Mapped[str | None] = mapped_column(String(40))
    #: What only its owner can give: `payment_method`, `confirmation` (to the bank), `address`.
    needs: Mapped[str | None] = mapped_column(String(20))
    #: When somebody has to look at it next; null where only an event or a person moves it on.
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    #: When the retry plan begins the next round.
    retry_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    first_failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Each payment method is tried once in a round, unless its owner changed it since.
    round: Mapped[int] = mapped_column(SmallInteger, default=0)
    #: Until then its owner is at the bank's page, and nothing else touches it.
    owner_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Names the claim of who is at work on it, and when that runs out.
    claimed_by: Mapped[UUID | None] = mapped_column(Uuid)
    claimed_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: How often in a row the processor could not be asked, and its last code.
    failures: Mapped[int] = mapped_column(SmallInteger, default=0)
    error_code: Mapped[str | None] = mapped_column(String(100))
    #: Why the staff want it void, in one word, the host's id of who said so, and whether its period
    #: is to be closed once more: committed before the processor is asked.
    void_reason: Mapped[str | None] = mapped_column(String(40))
    void_by: Mapped[str | None] = mapped_column(ExactText(100))
    void_reissue: Mapped[bool | None] = mapped_column(Boolean)

    invoice: Mapped[Invoice] = relationship("Invoice", back_populates="collection")


class PaymentAttempt(Model):
    """One try to charge one invoice to one payment method.

    States: `sending` (committed before the processor is asked; nobody knows the outcome) →
    `succeeded`, `declined`, `needs_action` (the bank wants the owner), `processing` (a bank debit
    under way) → `succeeded` or `declined`, or `not_executed` (nothing was charged).
    """

    __tablename__ = "payment_attempt"
    __table_args__ = (
        UniqueConstraint(
            "invoice_id", "in_flight_marker", name=conv("payment_attempt_in_flight_key")
        ),
        CheckConstraint(
            column("in_flight_marker") == 1, name=conv("payment_attempt_in_flight_marker_check")
        ),
        Index(conv("payment_attempt_invoice_id_idx"), "invoice_id", "id"),
        Index(
            conv("payment_attempt_payment_method_id_idx"),
            "payment_method_id",
            "in_flight_marker",
            "created_at",
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    invoice_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("payment_attempt_invoice_id_fkey"))
    )
    payment_method_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("payment_method.id", name=conv("payment_attempt_payment_method_id_fkey"))
    )
    state: Mapped[str] = mapped_column(String(20), default="sending")
    #: 1 while the outcome is unknown or under way, then null: an invoice has one at most.
    in_flight_marker: Mapped[int | None] = mapped_column(SmallInteger, default=1)
    #: The round of tries that it belongs to.
    round: Mapped[int] = mapped_column(SmallInteger, default=0)
    #: What it is to charge, in minor units.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    #: Who wanted it: `plan`, `change` (of the payment methods), `owner` or `staff`.
    origin: Mapped[str] = mapped_column(String(10), default="plan")
    #: The host's id of the person who pressed the button.
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    #: What the processor made of it.
    intent_id: Mapped[str | None] = mapped_column(ExactText())
    charge_id: Mapped[str | None] = mapped_column(ExactText())
    #: Why it failed, in the processor's codes, and whether the bank advises against another try.
    code: Mapped[str | None] = mapped_column(String(100))
    decline_code: Mapped[str | None] = mapped_column(String(100))
    never_again: Mapped[bool] = mapped_column(Boolean, default=False)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: When it was sent to the processor for the last time, and how often that was.
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    sends: Mapped[int] = mapped_column(SmallInteger, default=1)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment_method: Mapped[PaymentMethod] = relationship("PaymentMethod")


class InvoicePayment(Model):
    """Money that reached the processor for an invoice, whoever sent it. Only `sync` writes it."""

    __tablename__ = "billing_payment"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("billing_payment_stripe_id_key")),
        Index(conv("billing_payment_invoice_id_idx"), "invoice_id"),
        Index(conv("billing_payment_intent_id_idx"), "intent_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    invoice_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_payment_invoice_id_fkey"))
    )
    #: The invoice payment's id at the gateway.
    stripe_id: Mapped[str] = mapped_column(ExactText())
    #: Null where the money came another way, such as in cash.
    intent_id: Mapped[str | None] = mapped_column(ExactText())
    charge_id: Mapped[str | None] = mapped_column(ExactText())
    #: The payment method's id at the gateway; it may be none of ours.
    method_stripe_id: Mapped[str | None] = mapped_column(ExactText())
    #: `open`, `processing`, `paid` or `canceled`; new values may come.
    state: Mapped[str] = mapped_column(String(40))
    amount: Mapped[int] = mapped_column(BigInteger)
    refunded: Mapped[int] = mapped_column(BigInteger, default=0)
    currency: Mapped[str] = mapped_column(String(3))
    #: Whether the bank has taken the money back, or asks to.
    disputed: Mapped[bool] = mapped_column(Boolean, default=False)
    paid_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
