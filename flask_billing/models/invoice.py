"""What a project owes for a period, and what leads to that amount: ids, amounts and dates."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
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
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactAmount, ExactText, Fixed, UTCDateTime

if TYPE_CHECKING:
    from flask_billing.models.collection import InvoiceCollection

__all__ = ["Invoice", "InvoiceGroup", "InvoiceLine"]


class Invoice(Model):
    """What a project owes for a period. Amounts are in minor units and never change.

    ``subtotal + carried_in + adjusted + credit_granted`` is what ``credit_used``, ``due``,
    ``carried_out`` and ``waived`` add up to.
    States: `closed` → `open` (issued at the processor) → `paid` or `uncollectible` (written off,
    and may be paid all the same). `void` can come of any but `paid`: its period is free again. One
    with nothing due stays `closed`. How its money comes in is on its :class:`InvoiceCollection`.
    """

    __tablename__ = "billing_invoice"
    __table_args__ = (
        UniqueConstraint(
            "project_key", "period_start", "live_marker", name=conv("billing_invoice_period_key")
        ),
        CheckConstraint(column("live_marker") == 1, name=conv("billing_invoice_live_marker_check")),
        CheckConstraint(column("due") >= 0, name=conv("billing_invoice_due_check")),
        CheckConstraint(
            column("period_end") > column("period_start"), name=conv("billing_invoice_period_check")
        ),
        Index(conv("billing_invoice_period_start_idx"), "period_start", "currency"),
        Index(conv("billing_invoice_state_idx"), "state", "due"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_invoice_project_key_fkey")),
    )
    #: From here up to, and without, `period_end`.
    period_start: Mapped[datetime] = mapped_column(UTCDateTime)
    period_end: Mapped[datetime] = mapped_column(UTCDateTime)
    #: 1, and null once it is void: a project has one invoice for a period.
    live_marker: Mapped[int | None] = mapped_column(SmallInteger, default=1)
    state: Mapped[str] = mapped_column(String(20), default="closed")
    currency: Mapped[str] = mapped_column(String(3))
    #: What the usage would cost without discounts, rounded.
    gross: Mapped[int] = mapped_column(BigInteger)
    #: The usage after discounts, rounded once.
    subtotal: Mapped[int] = mapped_column(BigInteger)
    #: What earlier months were too small to charge.
    carried_in: Mapped[int] = mapped_column(BigInteger, default=0)
    #: Adjustments and late usage; may be negative.
    adjusted: Mapped[int] = mapped_column(BigInteger, default=0)
    credit_used: Mapped[int] = mapped_column(BigInteger, default=0)
    #: What became credit because the sum was negative.
    credit_granted: Mapped[int] = mapped_column(BigInteger, default=0)
    #: What is to be paid, before tax.
    due: Mapped[int] = mapped_column(BigInteger)
    #: What is too small to charge and goes to the next month.
    carried_out: Mapped[int] = mapped_column(BigInteger, default=0)
    #: What is too small to charge and is let go.
    waived: Mapped[int] = mapped_column(BigInteger, default=0)
    line_count: Mapped[int] = mapped_column(Integer)
    closed_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    voided_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Why it is void, in one word, and the host's id of who said so.
    void_reason: Mapped[str | None] = mapped_column(String(40))
    voided_by: Mapped[str | None] = mapped_column(ExactText(100))

    collection: Mapped[InvoiceCollection | None] = relationship(
        "InvoiceCollection", back_populates="invoice", uselist=False
    )


class InvoiceLine(Model):
    """A part of an invoice: usage of one slot at one rate, what was carried, or an adjustment."""

    __tablename__ = "billing_invoice_line"
    __table_args__ = (
        UniqueConstraint("invoice_id", "position", name=conv("billing_invoice_line_position_key")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    invoice_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_invoice_line_invoice_id_fkey"))
    )
    position: Mapped[int] = mapped_column(Integer)
    #: `usage`, `late` (usage of a month that was closed already), `carried` or `adjustment`.
    kind: Mapped[str] = mapped_column(String(12))
    resource_type: Mapped[str | None] = mapped_column(ExactText(100))
    resource_id: Mapped[str | None] = mapped_column(ExactText())
    slot: Mapped[str | None] = mapped_column(ExactText(100))
    rate_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_rate.id", name=conv("billing_invoice_line_rate_id_fkey"))
    )
    #: How much, for `minutes` each; of usage events, how many.
    quantity: Mapped[Decimal | None] = mapped_column(ExactAmount())
    minutes: Mapped[int | None] = mapped_column(Integer)
    #: How much of quantity times minutes, or of the events, was free.
    free_quantity: Mapped[Decimal | None] = mapped_column(ExactAmount())
    #: The first and the last moment of what it is for.
    started_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Percent, of the one discount that fits best.
    discount_percent: Mapped[Decimal | None] = mapped_column(Fixed(2))
    discount_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_discount.id", name=conv("billing_invoice_line_discount_id_fkey"))
    )
    adjustment_id: Mapped[UUID | None] = mapped_column(
        Uuid,
        ForeignKey("billing_adjustment.id", name=conv("billing_invoice_line_adjustment_id_fkey")),
    )
    #: Exact and in major units: before discounts, and after all of them.
    gross: Mapped[Decimal] = mapped_column(ExactAmount())
    net: Mapped[Decimal] = mapped_column(ExactAmount())
    #: Its share of the rounded sum, in minor units.
    amount: Mapped[int] = mapped_column(BigInteger)


class InvoiceGroup(Model):
    """The lines of one kind and rate, summed up, so that no page has to sum 60,000 lines."""

    __tablename__ = "billing_invoice_group"

    invoice_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("billing_invoice.id", name=conv("billing_invoice_group_invoice_id_fkey")),
        primary_key=True,
    )
    position: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    kind: Mapped[str] = mapped_column(String(12))
    #: The group of the rate; empty for what has no rate.
    group_name: Mapped[str] = mapped_column(ExactText(100), default="")
    rate_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_rate.id", name=conv("billing_invoice_group_rate_id_fkey"))
    )
    line_count: Mapped[int] = mapped_column(Integer)
    #: Quantity times minutes, or events, and how much of it was free.
    quantity: Mapped[Decimal | None] = mapped_column(ExactAmount())
    free_quantity: Mapped[Decimal | None] = mapped_column(ExactAmount())
    gross: Mapped[Decimal] = mapped_column(ExactAmount())
    net: Mapped[Decimal] = mapped_column(ExactAmount())
    amount: Mapped[int] = mapped_column(BigInteger)
