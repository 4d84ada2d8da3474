"""What invoices are charged to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    String,
    UniqueConstraint,
    Uuid,
    and_,
    column,
    or_,
)
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship
from sqlalchemy.sql.naming import conv

from flask_billing import clock
from flask_billing.ids import uuid7
from flask_billing.models.registry import Model
from flask_billing.models.types import ExactText, UTCDateTime

if TYPE_CHECKING:
    from flask_billing.models.billing_info import BillingInfo

__all__ = ["BannedCard", "PaymentHold", "PaymentMethod"]


class PaymentMethod(Model):
    """A card or account that invoices are charged to.

    What the processor says of it (`usable`) and what we decided (`refusal`) are kept apart; its
    brand, number and expiry are not kept at all.
    """

    __tablename__ = "payment_method"
    __table_args__ = (
        UniqueConstraint("stripe_id", name=conv("payment_method_stripe_id_key")),
        UniqueConstraint(
            "billing_info_id", "position", name=conv("payment_method_billing_info_id_position_key")
        ),
        CheckConstraint(column("position") >= 0, name=conv("payment_method_position_check")),
        CheckConstraint(
            or_(column("removed_at").is_(None), column("position").is_(None)),
            name=conv("payment_method_removed_at_check"),
        ),
        Index(conv("payment_method_looked_at_idx"), "looked_at"),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    #: The payment method's id at the gateway.
    stripe_id: Mapped[str] = mapped_column(ExactText())
    billing_info_id: Mapped[UUID] = mapped_column(
        Uuid,
        ForeignKey("billing_info.id", name=conv("payment_method_billing_info_id_fkey")),
    )
    #: Its place in the order of trying, 0 first; null once it is leaving or gone.
    position: Mapped[int | None] = mapped_column(Integer)
    #: Whether the processor could charge it, as far as is known; an expired card is not usable.
    usable: Mapped[bool] = mapped_column(Boolean, default=True)
    #: Why we refuse it although the processor would not: `banned`, `country`, `declined` (for good)
    #: or `disputed`.
    refusal: Mapped[str | None] = mapped_column(String(40))
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    #: When the processor was last asked, on the database's own counter; a later answer wins.
    stamp: Mapped[int] = mapped_column(BigInteger, default=0)
    #: When its removal was decided; it is not charged from then on.
    leaving_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: When it was found gone at the processor.
    removed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    #: The mandate that a bank debit hangs on, once the processor told of a change to it.
    mandate_id: Mapped[str | None] = mapped_column(ExactText())
    #: When its owner last added, renewed or moved it: it may be tried again at once then.
    changed_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)
    #: When the processor was last asked for it by the monthly look.
    looked_at: Mapped[datetime | None] = mapped_column(UTCDateTime, default=clock.now)

    billing_info: Mapped[BillingInfo] = relationship(
        "BillingInfo", back_populates="payment_methods"
    )

    @hybrid_property
    def is_usable(self) -> bool:
        """Whether invoices can be charged to it."""
        return (
            self.usable is not False
            and self.refusal is None
            and self.leaving_at is None
            and self.removed_at is None
        )

    @is_usable.inplace.expression
    @classmethod
    def _is_usable(cls) -> ColumnElement[bool]:
        return and_(
            cls.usable.is_(True),
            cls.refusal.is_(None),
            cls.leaving_at.is_(None),
            cls.removed_at.is_(None),
        )


class BannedCard(Model):
    """A card that nobody may use again, known by a keyed hash of its fingerprint."""

    __tablename__ = "banned_card"

    #: HMAC-SHA256 of the fingerprint under `BILLING_BANNED_CARD_KEY`, in hexadecimal.
    digest: Mapped[str] = mapped_column(ExactText(64), primary_key=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)


class PaymentHold(Model):
    """A small amount held on a new payment method to see that it can be charged.

    States: `starting` (committed before the processor is asked) → `held` → `released`;
    `declined` where the method could not be charged.
    """

    __tablename__ = "payment_hold"
    __table_args__ = (
        UniqueConstraint("payment_method_id", name=conv("payment_hold_payment_method_id_key")),
        UniqueConstraint("stripe_id", name=conv("payment_hold_stripe_id_key")),
        CheckConstraint(column("amount") > 0, name=conv("payment_hold_amount_check")),
    )

    id: Mapped[UUID] = mapped_column(Uuid, primary_key=True, default=uuid7)
    payment_method_id: Mapped[UUID] = mapped_column(
        Uuid, ForeignKey("payment_method.id", name=conv("payment_hold_payment_method_id_fkey"))
    )
    #: The payment intent's id at the gateway, once it is known.
    stripe_id: Mapped[str | None] = mapped_column(ExactText())
    #: In minor units of `currency`.
    amount: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    state: Mapped[str] = mapped_column(String(20), default="starting")
    created_at: Mapped[datetime] = mapped_column(UTCDateTime, default=clock.now)
    released_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    payment_method: Mapped[PaymentMethod] = relationship("PaymentMethod")
