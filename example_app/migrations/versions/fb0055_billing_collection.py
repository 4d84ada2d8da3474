# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""How the money of invoices comes in.

Revises: fb0054_method_looked_at
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0055_billing_collection"
down_revision = "fb0054_method_looked_at"
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
        "billing_collection",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("billing_info_id", sa.Uuid(), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=True),
        sa.Column("remote_state", sa.String(40), nullable=True),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=True),
        sa.Column("tax", sa.BigInteger(), nullable=True),
        sa.Column("paid", sa.BigInteger(), nullable=True),
        sa.Column("remaining", sa.BigInteger(), nullable=True),
        sa.Column("credited", sa.BigInteger(), nullable=True),
        sa.Column("overpaid", sa.BigInteger(), nullable=True),
        sa.Column("tax_state", sa.String(40), nullable=True),
        sa.Column("issued_at", moment(), nullable=True),
        sa.Column("due_at", moment(), nullable=True),
        sa.Column("paid_at", moment(), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("state_since", moment(), nullable=False),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("needs", sa.String(20), nullable=True),
        sa.Column("next_try_at", moment(), nullable=True),
        sa.Column("retry_at", moment(), nullable=True),
        sa.Column("first_failed_at", moment(), nullable=True),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("owner_until", moment(), nullable=True),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("claimed_until", moment(), nullable=True),
        sa.Column("failures", sa.SmallInteger(), nullable=False),
        sa.Column("error_code", sa.String(100), nullable=True),
        sa.PrimaryKeyConstraint("invoice_id", name=op.f("billing_collection_pkey")),
        sa.ForeignKeyConstraint(
            ["billing_info_id"],
            ["billing_info.id"],
            name=op.f("billing_collection_billing_info_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("billing_collection_invoice_id_fkey")
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("billing_collection_stripe_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_collection")
