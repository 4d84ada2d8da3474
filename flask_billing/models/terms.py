"""What changes the amounts of a project's invoices, and what is told of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactText, Fixed, UTCDateTime

__all__ = ["Adjustment", "Allowance", "Discount", "SpendingAlert"]


class Adjustment(Model):
    """A correction that staff made: a line of its own on the next invoice."""

    __tablename__ = "billing_adjustment"
    __table_args__ = (
        Index(conv("billing_adjustment_project_key_idx"), "project_key", "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_adjustment_project_key_fkey")),
    )
    #: In minor units; negative in the customer's favour.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    reason: Mapped[str] = mapped_column(String(40))
    #: The host's id of who made it.
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    #: The invoice that has it; null until a period closes that ends after it was made.
    invoice_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_adjustment_invoice_id_fkey"))
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class Discount(Model):
    """A percentage off, from a date on; what it is for never changes."""

    __tablename__ = "billing_discount"
    __table_args__ = (Index(conv("billing_discount_project_key_idx"), "project_key"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_discount_project_key_fkey")),
    )
    #: `project` (off the sum), or `resource`, `rate` or `group` (off the lines that it fits).
    scope: Mapped[str] = mapped_column(String(10))
    #: The name of the rate or group, or the id of the resource; empty for the project.
    target: Mapped[str] = mapped_column(ExactText(), default="")
    #: The host's table, where the scope is `resource`.
    resource_type: Mapped[str | None] = mapped_column(ExactText(100))
    percent: Mapped[Decimal] = mapped_column(Fixed(2))
    valid_from: Mapped[datetime] = mapped_column(UTCDateTime)
    #: Up to, and without; null for good.
    valid_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(40))
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class Allowance(Model):
    """What is free in each month, of a rate or of a group of rates."""

    __tablename__ = "billing_allowance"
    __table_args__ = (Index(conv("billing_allowance_project_key_idx"), "project_key"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: Null where every project has it.
    project_key: Mapped[str | None] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_allowance_project_key_fkey")),
    )
    #: `rate` or `group`, and its name.
    scope: Mapped[str] = mapped_column(String(10))
    target: Mapped[str] = mapped_column(ExactText(100))
    #: In unit-minutes, or in events.
    quantity: Mapped[Decimal] = mapped_column(Fixed(6))
    valid_from: Mapped[datetime] = mapped_column(UTCDateTime)
    #: Up to, and without; null for good.
    valid_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(40))
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class SpendingAlert(Model):
    """An amount at which a project's members want to be told, once a month."""

    __tablename__ = "billing_alert"
    __table_args__ = (Index(conv("billing_alert_project_key_idx"), "project_key"),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_alert_project_key_fkey")),
    )
    #: In minor units of the project's currency.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    #: A member's own short word for it; refused where it looks like an address or an e-mail.
    label: Mapped[str | None] = mapped_column(String(40))
    #: Whether nothing billable can be created once it is passed, until the month is over.
    stops_creation: Mapped[bool] = mapped_column(Boolean, default=False)
    #: The beginning of the last month in which it was raised, and when that was.
    raised_for: Mapped[datetime | None] = mapped_column(UTCDateTime)
    raised_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
