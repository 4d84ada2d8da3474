"""What is to be told, who works on it, and what people of the staff did."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ForeignKey,
    Index,
    SmallInteger,
    String,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model, current_livemode
from flask_billing.models.types import ExactText, UTCDateTime

__all__ = ["AuditEntry", "BillingWorker", "Notification"]


class Notification(Model):
    """A message that is to be sent, once, to those who have a role; their addresses are not kept.

    States: `pending` → `sending` (committed before it is handed over) → `sent`; `pending` again
    where the mail server surely did not take it, `failed` when that happened too often, `unknown`
    where a worker died meanwhile (it is not sent again), `skipped` where nobody has the role or
    there is nothing to tell any more.
    """

    __tablename__ = "billing_notification"
    __table_args__ = (
        UniqueConstraint("topic", "role", name=conv("billing_notification_topic_key")),
        Index(conv("billing_notification_due_idx"), "livemode", "state", "next_try_at"),
        Index(conv("billing_notification_invoice_id_idx"), "invoice_id"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: `receipt`, `payment_failed`, `action_required`, `past_due`, `method_expiring` or
    #: `spending_alert`.
    kind: Mapped[str] = mapped_column(String(40))
    #: Names the one happening that it tells of: whoever notes it again notes nothing.
    topic: Mapped[str] = mapped_column(ExactText(200))
    #: `members` (the project's people, as the host knows them) or `billing` (the billing e-mail).
    role: Mapped[str] = mapped_column(String(20))
    project_key: Mapped[str | None] = mapped_column(
        ExactText(),
        ForeignKey(
            "billed_project.project_key", name=conv("billing_notification_project_key_fkey")
        ),
    )
    billing_info_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_info.id", name=conv("billing_notification_billing_info_id_fkey"))
    )
    invoice_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_invoice.id", name=conv("billing_notification_invoice_id_fkey"))
    )
    payment_method_id: Mapped[UUID | None] = mapped_column(
        Uuid,
        ForeignKey("payment_method.id", name=conv("billing_notification_payment_method_id_fkey")),
    )
    alert_id: Mapped[UUID | None] = mapped_column(Uuid)
    #: What the message says of money, in minor units.
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    livemode: Mapped[bool] = mapped_column(Boolean, default=current_livemode)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    attempts: Mapped[int] = mapped_column(SmallInteger, default=0)
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    claimed_by: Mapped[UUID | None] = mapped_column(Uuid)
    #: The class of the last error; never its text.
    error_class: Mapped[str | None] = mapped_column(String(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class BillingWorker(Model):
    """A process that works on billing, and when it last said so."""

    __tablename__ = "billing_worker"
    __table_args__ = (Index(conv("billing_worker_seen_at_idx"), "seen_at"),)

    #: Made anew by each process; it names no host.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: `run`, `once` or `celery`.
    kind: Mapped[str] = mapped_column(String(20))
    started_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: The part of the work that it was last seen at.
    part: Mapped[str | None] = mapped_column(String(40))
    #: When it ended in order.
    stopped_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class AuditEntry(Model):
    """What somebody of the staff did, to which row, and when: ids and amounts only."""

    __tablename__ = "billing_audit"
    __table_args__ = (
        Index(conv("billing_audit_object_idx"), "object_type", "object_id"),
        Index(conv("billing_audit_made_at_idx"), "made_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    made_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: The host's id of the person; null where the host gives none.
    made_by: Mapped[str | None] = mapped_column(ExactText(100))
    #: `web` or `cli`.
    way: Mapped[str] = mapped_column(String(10))
    #: Such as `retry`, `write_off`, `void`, `refund`, `unpark` or `repeat_event`.
    action: Mapped[str] = mapped_column(String(40))
    object_type: Mapped[str] = mapped_column(String(40))
    object_id: Mapped[str] = mapped_column(ExactText(100))
    project_key: Mapped[str | None] = mapped_column(ExactText())
    #: In minor units, where the action is about money.
    amount: Mapped[int | None] = mapped_column(BigInteger)
    currency: Mapped[str | None] = mapped_column(String(3))
    #: Why, in one word.
    reason: Mapped[str | None] = mapped_column(String(40))
    #: `begun` (committed before it is done), `done`, `refused`, or `unknown`: the processor did not
    #: answer.
    outcome: Mapped[str] = mapped_column(String(20), default="begun")
