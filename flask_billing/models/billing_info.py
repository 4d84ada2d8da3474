"""Who pays: a customer at the processor."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model, current_livemode
from flask_billing.models.types import ExactText, UTCDateTime

if TYPE_CHECKING:
    from flask_billing.models.payment_method import PaymentMethod

__all__ = ["BillingInfo"]


class BillingInfo(Model):
    """Who pays: one customer at the processor, for one project or several.

    The name, the address and everything else about the person stay at the processor.
    """

    __tablename__ = "billing_info"
    __table_args__ = (UniqueConstraint("stripe_id", name=conv("billing_info_stripe_id_key")),)

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: The adapter that knows the customer.
    gateway: Mapped[str] = mapped_column(String(20), default="stripe")
    #: The customer's id at the gateway.
    stripe_id: Mapped[str] = mapped_column(ExactText())
    #: Whether the customer pays with real money; as the key that it was made with.
    livemode: Mapped[bool] = mapped_column(Boolean, default=current_livemode)
    #: The account at the processor that the customer belongs to; null where it is not known.
    account_id: Mapped[str | None] = mapped_column(ExactText())
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: When the processor was last asked, on the database's own counter; a later answer wins.
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    #: When the customer was found deleted at the processor.
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment_methods: Mapped[list[PaymentMethod]] = relationship(
        "PaymentMethod",
        back_populates="billing_info",
        order_by="PaymentMethod.position",
        passive_deletes="all",
    )
