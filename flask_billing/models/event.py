"""What the processor told, and which handlers have dealt with it."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import Boolean, ForeignKey, Index, Integer, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactText, UTCDateTime

__all__ = ["BillingEvent", "BillingEventHandling"]


class BillingEvent(Model):
    """A notification from the processor: which object changed and when, never what it holds.

    States: `pending` (to be processed, now or at `next_try_at`) → `processed`, `ignored` (its
    `reason` says why) or `failed` (given up after the last try, until somebody repeats it).
    """

    __tablename__ = "billing_event"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("billing_event_stripe_id_key")),
        Index(conv("billing_event_due_idx"), "livemode", "state", "next_try_at"),
        Index(conv("billing_event_received_at_idx"), "received_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: The event's id at the gateway.
    stripe_id: Mapped[str] = mapped_column(ExactText())
    type: Mapped[str] = mapped_column(String(100))
    #: The id of the object that changed, and its kind; null where the processor names none.
    object_id: Mapped[str | None] = mapped_column(ExactText())
    object_type: Mapped[str | None] = mapped_column(String(100))
    #: The customer that the object belongs to, or did before.
    customer_id: Mapped[str | None] = mapped_column(ExactText())
    #: The connected account that it happened on; null for our own.
    account_id: Mapped[str | None] = mapped_column(ExactText())
    livemode: Mapped[bool] = mapped_column(Boolean)
    #: In which version of its API the processor wrote the notification.
    api_version: Mapped[str | None] = mapped_column(String(60))
    #: The key of the request that caused it, where the request was ours.
    idempotency_key: Mapped[str | None] = mapped_column(ExactText())
    #: When it happened at the processor, in whole seconds.
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    received_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    state: Mapped[str] = mapped_column(String(20), default="pending")
    #: Why it is ignored: `unknown_type`, `connected_account` or `not_ours`.
    reason: Mapped[str | None] = mapped_column(String(40))
    #: How often its processing was begun.
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    #: When the next try may begin; while it is claimed, when the claim runs out.
    next_try_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: Names the claim of who is at work on it; a result is written only while it is still theirs.
    claimed_by: Mapped[UUID | None] = mapped_column(Uuid)
    #: When it reached its last state.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: What kind of error the last try ended with, and the processor's code; never its text.
    error_class: Mapped[str | None] = mapped_column(String(100))
    error_code: Mapped[str | None] = mapped_column(String(100))


class BillingEventHandling(Model):
    """That a handler of the host has dealt with an event; committed together with its work."""

    __tablename__ = "billing_event_handling"

    event_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("billing_event.id", name=conv("billing_event_handling_event_id_fkey")),
        primary_key=True,
    )
    #: The handler's name: its module and function, unless the host gave another.
    handler: Mapped[str] = mapped_column(ExactText(), primary_key=True)
    done_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
