# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Money that reached the processor for invoices.

Revises: fb0060_attempt_method_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0061_billing_payment"
down_revision = "fb0060_attempt_method_idx"
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
        "billing_payment",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=False),
        sa.Column("intent_id", exact(), nullable=True),
        sa.Column("charge_id", exact(), nullable=True),
        sa.Column("method_stripe_id", exact(), nullable=True),
        sa.Column("state", sa.String(40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("refunded", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("disputed", sa.Boolean(), nullable=False),
        sa.Column("paid_at", moment(), nullable=True),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_payment_pkey")),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("billing_payment_invoice_id_fkey")
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("billing_payment_stripe_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_payment")
