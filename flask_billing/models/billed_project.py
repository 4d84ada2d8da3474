"""Our own row for a project, and what this project started at the processor."""

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
from flask_billing.models.billing_info import BillingInfo
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactText, UTCDateTime

__all__ = ["BilledProjectRow", "GatewayAccount", "SetupSession", "SyncStamp"]


class BilledProjectRow(Model):
    """Our row for a project: what outlives the host's own, and the lock of guard and removal."""

    __tablename__ = "billed_project"
    __table_args__ = (
        Index(conv("billed_project_billing_info_id_idx"), "billing_info_id"),
        # With its end, so that projects that are gone and closed for good are passed over in it.
        Index(conv("billed_project_closed_until_idx"), "closed_until", "ended_at"),
        Index(conv("billed_project_past_due_since_idx"), "past_due_since"),
    )

    #: The host's key of the project, as text.
    project_key: Mapped[str] = mapped_column(ExactText(), primary_key=True)
    #: What the project is billed in; null until it is fixed.
    currency: Mapped[str | None] = mapped_column(String(3))
    #: An internal project is not billed, and the guard lets it pass.
    billable: Mapped[bool] = mapped_column(Boolean, default=True)
    #: Who paid last; follows the project's own column.
    billing_info_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_info.id", name=conv("billed_project_billing_info_id_fkey"))
    )
    #: Counts the writes that need this row as a lock.
    revision: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: Everything before it is on a closed invoice, or was free; a month's beginning, but for the
    #: first month and the last.
    closed_until: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    #: When the host deleted the project; its last period ends there.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: What was too small to charge so far, in minor units.
    carried: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    #: Why its next period is not closed until somebody has looked, in one word, and since when.
    parked_reason: Mapped[str | None] = mapped_column(String(40))
    parked_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Until then nothing billable is created, because a spending limit is passed.
    stopped_until: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: How many credit codes were tried in vain, none more than an hour after the last, and when the
    #: last one was.
    code_failures: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    code_failed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Usage events of before it are the ones of a former project with this key; null where there
    #: was none.
    usage_from: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Within how many days it pays by transfer; null where its payment methods are charged.
    terms_days: Mapped[int | None] = mapped_column(SmallInteger)
    #: Since when an invoice of it is past due and keeps it from creating anything billable.
    past_due_since: Mapped[datetime | None] = mapped_column(UTCDateTime)


class SetupSession(Model):
    """A stay on the processor's page for saving a payment method, started by one project.

    States: `starting` (committed before the processor is asked) → `open` → `complete`, `expired`
    (nobody finished it) or `superseded` (the project pays by other billing info meanwhile).
    """

    __tablename__ = "setup_session"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("setup_session_stripe_id_key")),
        UniqueConstraint(
            "project_key", "purpose", "open_marker", name=conv("setup_session_open_key")
        ),
        CheckConstraint(column("open_marker") == 1, name=conv("setup_session_open_marker_check")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("setup_session_project_key_fkey")),
    )
    #: Whose payment method it saves; null while the processor's page makes the customer.
    billing_info_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("billing_info.id", name=conv("setup_session_billing_info_id_fkey"))
    )
    #: The session's id at the gateway, once it is known.
    stripe_id: Mapped[str | None] = mapped_column(ExactText())
    #: What the session is for; `payment_method` saves one.
    purpose: Mapped[str] = mapped_column(String(40), default="payment_method")
    state: Mapped[str] = mapped_column(String(20), default="starting")
    #: 1 while the session is starting or open, then null: a project has one at most.
    open_marker: Mapped[int | None] = mapped_column(SmallInteger, default=1)
    #: The payment method that came of it.
    payment_method_id: Mapped[UUID | None] = mapped_column(
        Uuid, ForeignKey("payment_method.id", name=conv("setup_session_payment_method_id_fkey"))
    )
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: When the processor's page closes.
    expires_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: When the session reached its last state.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    billing_info: Mapped[BillingInfo | None] = relationship("BillingInfo")

    def end(self, state: str) -> None:
        """Put the session into its last `state`; the project may start another."""
        self.state = state
        self.open_marker = None
        self.ended_at = clock.now()


class GatewayAccount(Model):
    """Which account at the processor a key belongs to, so that the guard knows without asking."""

    __tablename__ = "gateway_account"

    #: SHA-256 of the key, in hexadecimal; the key itself is not kept.
    key_digest: Mapped[str] = mapped_column(ExactText(64), primary_key=True)
    account_id: Mapped[str] = mapped_column(ExactText())
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class SyncStamp(Model):
    """The counter that orders what the processor answered; it has one row."""

    __tablename__ = "sync_stamp"

    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True, autoincrement=False)
    last: Mapped[int] = mapped_column(BigInteger)
