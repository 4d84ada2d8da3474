"""What was used: rates as they were seen, spans of use, and usage events with their totals."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
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
from flask_billing.models.types import ExactText, Fixed, UTCDateTime

__all__ = ["BillingPause", "BillingRate", "BillingRecord", "Usage", "UsageTotal"]


class BillingRate(Model):
    """A rate as it was when it was first used; it never changes and is kept for ever."""

    __tablename__ = "billing_rate"
    __table_args__ = (
        UniqueConstraint(
            "name", "currency", "active_from", name=conv("billing_rate_name_currency_from_key")
        ),
    )

    #: Made from name, currency and date, so that every process makes the same one.
    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    name: Mapped[str] = mapped_column(ExactText(100))
    #: `minute` or `count`.
    unit: Mapped[str] = mapped_column(String(10))
    #: In major units of the currency, for one unit of quantity and one minute or event.
    unit_price: Mapped[Decimal] = mapped_column(Fixed(10))
    currency: Mapped[str] = mapped_column(String(3))
    active_from: Mapped[datetime] = mapped_column(UTCDateTime)
    #: What it is summed up under.
    group_name: Mapped[str] = mapped_column(ExactText(100))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class BillingRecord(Model):
    """A span of use: a quantity of a rate, for a slot of a resource."""

    __tablename__ = "billing_record"
    __table_args__ = (
        # The marker comes first, to keep what runs apart from what has ended. Else MariaDB's locks
        # on a running record would cover the gap that its neighbour's ended one goes into.
        UniqueConstraint(
            "open_marker",
            "resource_type",
            "resource_id",
            "slot",
            name=conv("billing_record_open_key"),
        ),
        CheckConstraint(column("open_marker") == 1, name=conv("billing_record_open_marker_check")),
        CheckConstraint(column("quantity") > 0, name=conv("billing_record_quantity_check")),
        CheckConstraint(
            column("ended_at") >= column("started_at"), name=conv("billing_record_ended_at_check")
        ),
        Index(conv("billing_record_project_key_idx"), "project_key", "ended_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_record_project_key_fkey")),
    )
    #: The host's table and key of what is used.
    resource_type: Mapped[str] = mapped_column(ExactText(100))
    resource_id: Mapped[str] = mapped_column(ExactText())
    #: What the customer sees as one thing.
    slot: Mapped[str] = mapped_column(ExactText(100))
    rate_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_rate.id", name=conv("billing_record_rate_id_fkey"))
    )
    quantity: Mapped[Decimal] = mapped_column(Fixed(6))
    started_at: Mapped[datetime] = mapped_column(UTCDateTime)
    #: Null while it runs.
    ended_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: 1 while it runs, then null: a slot of a resource has one running record at most.
    open_marker: Mapped[int | None] = mapped_column(SmallInteger, default=1)


class BillingPause(Model):
    """That the host stopped the billing of a resource, until it starts it again."""

    __tablename__ = "billing_pause"

    resource_type: Mapped[str] = mapped_column(ExactText(100), primary_key=True)
    resource_id: Mapped[str] = mapped_column(ExactText(), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class Usage(Model):
    """A usage event: a quantity at one moment, told once under the caller's own id."""

    __tablename__ = "billing_usage"
    __table_args__ = (
        UniqueConstraint("project_key", "event_id", name=conv("billing_usage_event_id_key")),
        Index(conv("billing_usage_counted_in_idx"), "project_key", "counted_in"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_usage_project_key_fkey")),
    )
    #: The caller's id of the event.
    event_id: Mapped[str] = mapped_column(ExactText())
    rate_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("billing_rate.id", name=conv("billing_usage_rate_id_fkey"))
    )
    quantity: Mapped[Decimal] = mapped_column(Fixed(6))
    used_at: Mapped[datetime] = mapped_column(UTCDateTime)
    #: What was used, where the caller said so.
    resource_type: Mapped[str | None] = mapped_column(ExactText(100))
    resource_id: Mapped[str | None] = mapped_column(ExactText())
    #: The first day of the month whose invoice has it: a later one than its own where it came late.
    counted_in: Mapped[date] = mapped_column(Date)
    recorded_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class UsageTotal(Model):
    """The sum of a day's usage events of one rate and resource, kept with each event."""

    __tablename__ = "billing_usage_total"

    project_key: Mapped[str] = mapped_column(
        ExactText(),
        ForeignKey("billed_project.project_key", name=conv("billing_usage_total_project_key_fkey")),
        primary_key=True,
    )
    counted_in: Mapped[date] = mapped_column(Date, primary_key=True)
    #: The day of the events in UTC; before `counted_in` where they came late.
    day: Mapped[date] = mapped_column(Date, primary_key=True)
    rate_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("billing_rate.id", name=conv("billing_usage_total_rate_id_fkey")),
        primary_key=True,
    )
    #: Empty where the events name no resource.
    resource_type: Mapped[str] = mapped_column(ExactText(100), primary_key=True, default="")
    resource_id: Mapped[str] = mapped_column(ExactText(), primary_key=True, default="")
    quantity: Mapped[Decimal] = mapped_column(Fixed(6))
    event_count: Mapped[int] = mapped_column(Integer)
