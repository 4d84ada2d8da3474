"""Column types that mean the same on SQLite, PostgreSQL and MariaDB."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, DateTime, Numeric, String, TypeDecorator
from sqlalchemy.dialects.mysql import DATETIME

from flask_billing.money import EXACT

if TYPE_CHECKING:
    from sqlalchemy import Dialect
    from sqlalchemy.types import TypeEngine

__all__ = ["ExactAmount", "ExactText", "Fixed", "UTCDateTime"]


def ExactText(length: int = 255) -> String:  # noqa: N802 - reads as the type that it gives
    """Return a text type that tells upper from lower case and sorts by code point everywhere."""
    in_mariadb = String(length, collation="utf8mb4_bin")
    return (
        String(length)
        .with_variant(String(length, collation="C"), "postgresql")
        .with_variant(in_mariadb, "mysql", "mariadb")
    )


class UTCDateTime(TypeDecorator[datetime]):
    """Aware UTC datetimes with microseconds, also where the database keeps naive ones.

    :raises ValueError: A naive datetime is written.
    """

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[datetime]:
        """Return the dialect's own type: MariaDB drops fractions of a second unless told."""
        if dialect.name in {"mysql", "mariadb"}:
            return dialect.type_descriptor(DATETIME(fsp=6))
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return `value` in UTC, as the database keeps it."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("A time without a zone was given; billing keeps aware UTC only.")
        value = value.astimezone(UTC)
        return value if dialect.name == "postgresql" else value.replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what the database gave, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Fixed(TypeDecorator[Decimal]):
    """Exact decimals with so many places; sums and comparisons in the database are exact too.

    SQLite has no decimals: there it is a whole number of the smallest unit, up to 2 to the 63rd.

    :raises ValueError: A float is written, or more places than there are.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, places: int) -> None:
        super().__init__()
        self.places = places

    def __repr__(self) -> str:
        return f"Fixed({self.places})"

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal]:
        """Return the dialect's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())  # type: ignore[arg-type]
        return dialect.type_descriptor(Numeric(38, self.places))

    def process_bind_param(
        self, value: Decimal | int | None, dialect: Dialect
    ) -> Decimal | int | None:
        """Return `value` as the database keeps it."""
        if value is None:
            return None
        if isinstance(value, float):
            raise ValueError("A float was given; amounts and quantities are Decimal or int.")  # noqa: TRY004 - the driver's own complaints are ValueErrors too
        scaled = EXACT.scaleb(Decimal(value), self.places)
        if not scaled.is_finite() or scaled != EXACT.to_integral_value(scaled):
            raise ValueError(f"More than {self.places} decimal places were given.")
        return int(scaled) if dialect.name == "sqlite" else Decimal(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return what the database gave."""
        if value is None:
            return None
        exact = Decimal(value)
        return EXACT.scaleb(exact, -self.places) if dialect.name == "sqlite" else exact


class ExactAmount(TypeDecorator[Decimal]):
    """Exact amounts in major units with up to 24 decimals, which are never summed in SQLite.

    Six of a quantity, ten of a price and eight of two discounts. It also holds the quantities of
    invoices: unit-minutes of many resources are more than `Fixed` can hold in SQLite.

    :raises ValueError: A float is written.
    """

    impl = Numeric
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Decimal]:
        """Return the dialect's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(String(64))  # type: ignore[arg-type]
        return dialect.type_descriptor(Numeric(48, 24))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Decimal | str | None:
        """Return `value` as the database keeps it."""
        if value is None:
            return None
        if not isinstance(value, Decimal):
            raise ValueError("An exact amount is a Decimal.")  # noqa: TRY004
        return format(value, "f") if dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """Return what the database gave, without zeros at its end."""
        return None if value is None else Decimal(value).normalize(EXACT)
