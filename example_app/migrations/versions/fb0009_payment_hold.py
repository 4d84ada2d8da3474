# Copied from flask_billing's source tree by 'flask billing install-migrations'.
"""Amounts held to see that a payment method can be charged.

Revises: fb0008_banned_card
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0009_payment_hold"
down_revision = "fb0008_banned_card"
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


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "payment_hold",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("payment_method_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("released_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("payment_hold_pkey")),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_method.id"],
            name=op.f("payment_hold_payment_method_id_fkey"),
        ),
        sa.UniqueConstraint("payment_method_id", name=op.f("payment_hold_payment_method_id_key")),
        sa.UniqueConstraint("stripe_id", name=op.f("payment_hold_stripe_id_key")),
        sa.CheckConstraint(sa.column("amount") > 0, name=op.f("payment_hold_amount_check")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("payment_hold")
