# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Rates as they were when they were first used.

Revises: fb0021_closed_until_index
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0022_billing_rate"
down_revision = "fb0021_closed_until_index"
branch_labels = None
depends_on = None


def exact(length: int = 255) -> sa.types.TypeEngine[str]:
    """Text that tells upper from lower case and sorts by code point."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def fixed(places: int) -> sa.types.TypeEngine[Any]:
    """Exact decimals; SQLite, which has none, counts the smallest unit."""
    return sa.Numeric(38, places).with_variant(sa.BigInteger(), "sqlite")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "billing_rate",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", exact(100), nullable=False),
        sa.Column("unit", sa.String(10), nullable=False),
        sa.Column("unit_price", fixed(10), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("active_from", moment(), nullable=False),
        sa.Column("group_name", exact(100), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_rate_pkey")),
        sa.UniqueConstraint(
            "name", "currency", "active_from", name=op.f("billing_rate_name_currency_from_key")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_rate")
