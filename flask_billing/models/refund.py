"""Money that goes back, and money that a bank has taken back."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
    column,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactText, UTCDateTime

__all__ = ["Dispute", "InvoiceRefund"]


class InvoiceRefund(Model):
    """Money of an invoice that is given back, or that is not asked for any more.

    Kinds: `refund` (a credit note whose amount goes back to where it came from), `credit` (a credit
    note that lowers what is still to be paid) and `overpayment` (a second payment, given back
    without a credit note, and the credit for it taken from the customer's balance).
    States: `sending` (committed before the processor is asked) → `pending` → `succeeded`, `failed`
    or `canceled`; `refused` or `not_executed` where nothing happened.
    """

    __tablename__ = "billing_refund"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("billing_refund_stripe_id_key")),
        UniqueConstraint("credit_note_id", name=conv("billing_refund_credit_note_id_key")),
        UniqueConstraint(
            "invoice_id", "overpayment_marker", name=conv("billing_refund_overpayment_key")
        ),
        UniqueConstraint(
            "invoice_id", "in_flight_marker", name=conv("billing_refund_in_flight_key")
        ),
        CheckConstraint(column("amount") > 0, name=conv("billing_refund_amount_check")),
        CheckConstraint(
            column("overpayment_marker") == 1, name=conv("billing_refund_overpayment_marker_check")
        ),
        CheckConstraint(
            column("in_flight_marker") == 1, name=conv("billing_refund_in_flight_marker_check")
        ),
        Index(conv("billing_refund_state_idx"), "state", "next_try_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    invoice_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_refund_invoice_id_fkey"))
    )
    kind: Mapped[str] = mapped_column(String(20), default="refund")
    state: Mapped[str] = mapped_column(String(20), default="sending")
    #: 1 for the one overpayment of an invoice that is given back, else null.
    overpayment_marker: Mapped[int | None] = mapped_column(SmallInteger)
    #: 1 while nobody knows whether the processor made it, then null: an invoice has one at most.
    in_flight_marker: Mapped[int | None] = mapped_column(SmallInteger, default=1)
    #: With tax, in minor units.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    #: The payment that it goes back to, where it is an overpayment.
    intent_id: Mapped[str | None] = mapped_column(ExactText())
    #: The ids at the gateway, once they are known: refund, credit note, and what took back the
    #: credit for an overpayment.
    stripe_id: Mapped[str | None] = mapped_column(ExactText())
    credit_note_id: Mapped[str | None] = mapped_column(ExactText())
    balance_transaction_id: Mapped[str | None] = mapped_column(ExactText())
    #: Why, in one word, and the host's id of who decided it.
    reason: Mapped[str] = mapped_column(String(40))
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    #: Why it failed, in the processor's code.
    code: Mapped[str | None] = mapped_column(String(100))
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    sent_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    sends: Mapped[int] = mapped_column(SmallInteger, default=1)
    #: When somebody has to look at it next; null in a last state.
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Dispute(Model):
    """A payment that the bank asks to give back, or warns of. Only `sync` writes what it says."""

    __tablename__ = "billing_dispute"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("billing_dispute_stripe_id_key")),
        Index(conv("billing_dispute_invoice_id_idx"), "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: The id of the dispute, or of the early fraud warning, at the gateway.
    stripe_id: Mapped[str] = mapped_column(ExactText())
    #: `dispute` or `fraud_warning`.
    kind: Mapped[str] = mapped_column(String(20))
    invoice_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_dispute_invoice_id_fkey"))
    )
    payment_method_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("payment_method.id", name=conv("billing_dispute_payment_method_id_fkey"))
    )
    charge_id: Mapped[str | None] = mapped_column(ExactText())
    #: As the processor names it, such as `needs_response` or `lost`; new values may come.
    state: Mapped[str] = mapped_column(String(40))
    reason: Mapped[str | None] = mapped_column(String(100))
    #: In minor units; null for a warning.
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: Until when the bank takes an answer.
    respond_by: Mapped[datetime | None] = mapped_column(UTCDateTime)
