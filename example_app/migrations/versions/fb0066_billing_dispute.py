# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Payments that a bank asks to give back.

Revises: fb0065_refund_state_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0066_billing_dispute"
down_revision = "fb0065_refund_state_idx"
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
        "billing_dispute",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("payment_method_id", sa.Uuid(), nullable=True),
        sa.Column("charge_id", exact(), nullable=True),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("reason", sa.String(100), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("respond_by", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_dispute_pkey")),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("billing_dispute_invoice_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_method.id"],
            name=op.f("billing_dispute_payment_method_id_fkey"),
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("billing_dispute_stripe_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_dispute")
