"""Credit as a ledger: what was granted, and every movement of it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
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

__all__ = ["Credit", "CreditCode", "CreditEntry"]


class CreditCode(Model):
    """A code that grants credit, once for each project."""

    __tablename__ = "billing_credit_code"
    __table_args__ = (
        UniqueConstraint("code", name=conv("billing_credit_code_code_key")),
        CheckConstraint(column("uses") >= 0, name=conv("billing_credit_code_uses_check")),
        CheckConstraint(
            column("uses") <= column("max_uses"), name=conv("billing_credit_code_max_uses_check")
        ),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: In capitals, without spaces and dashes.
    code: Mapped[str] = mapped_column(ExactText(40))
    #: What it grants, in minor units.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    #: When the code itself can no longer be used; null for never.
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: For how many days the credit lasts, from its use on; null for good.
    credit_days: Mapped[int | None] = mapped_column(Integer)
    #: How many projects may use it; null for any number.
    max_uses: Mapped[int | None] = mapped_column(Integer)
    uses: Mapped[int] = mapped_column(Integer, default=0)
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class Credit(Model):
    """Credit that was granted to a project; what is left of it follows from its entries."""

    __tablename__ = "billing_credit"
    __table_args__ = (
        UniqueConstraint("project_key", "code_id", name=conv("billing_credit_code_id_key")),
        CheckConstraint(column("amount") > 0, name=conv("billing_credit_amount_check")),
        CheckConstraint(column("remaining") >= 0, name=conv("billing_credit_remaining_check")),
        CheckConstraint(
            column("remaining") <= column("amount"), name=conv("billing_credit_most_check")
        ),
        Index(conv("billing_credit_project_key_idx"), "project_key", "remaining"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_credit_project_key_fkey")),
    )
    #: In minor units.
    amount: Mapped[int] = mapped_column(BigInteger)
    #: The sum of the entries, changed together with them.
    remaining: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    granted_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: From then on it can't be used; null for never.
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    reason: Mapped[str] = mapped_column(String(40))
    #: The host's id of who granted it.
    granted_by: Mapped[str | None] = mapped_column(ExactText(100))
    #: The code that granted it. A project can use a code once; null is meant and may repeat.
    code_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_credit_code.id", name=conv("billing_credit_code_id_fkey"))
    )
    #: The invoice whose negative sum it is.
    invoice_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_credit_invoice_id_fkey"))
    )


class CreditEntry(Model):
    """A movement of credit: `granted`, `used`, `returned`, `expired` or `reversed`."""

    __tablename__ = "billing_credit_entry"
    __table_args__ = (
        Index(conv("billing_credit_entry_credit_id_idx"), "credit_id"),
        Index(conv("billing_credit_entry_invoice_id_idx"), "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    credit_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_credit.id", name=conv("billing_credit_entry_credit_id_fkey"))
    )
    kind: Mapped[str] = mapped_column(String(12))
    #: In minor units; what is taken away is negative.
    amount: Mapped[int] = mapped_column(BigInteger)
    #: The invoice that used it, or gave it back.
    invoice_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_credit_entry_invoice_id_fkey"))
    )
    reason: Mapped[str | None] = mapped_column(String(40))
    #: The host's id of who did it.
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
