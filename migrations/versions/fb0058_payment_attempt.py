"""Tries to charge invoices to payment methods.

Revises: fb0057_collection_info_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0058_payment_attempt"
down_revision = "fb0057_collection_info_idx"
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
        "payment_attempt",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("payment_method_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("in_flight_marker", sa.SmallInteger(), nullable=True),
        sa.Column("round", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("origin", sa.String(10), nullable=False),
        sa.Column("made_by", exact(100), nullable=True),
        sa.Column("intent_id", exact(), nullable=True),
        sa.Column("charge_id", exact(), nullable=True),
        sa.Column("code", sa.String(100), nullable=True),
        sa.Column("decline_code", sa.String(100), nullable=True),
        sa.Column("never_again", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("sent_at", moment(), nullable=False),
        sa.Column("sends", sa.SmallInteger(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("payment_attempt_pkey")),
        sa.CheckConstraint(
            sa.column("in_flight_marker") == 1, name=op.f("payment_attempt_in_flight_marker_check")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("payment_attempt_invoice_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_method.id"],
            name=op.f("payment_attempt_payment_method_id_fkey"),
        ),
        sa.UniqueConstraint(
            "invoice_id", "in_flight_marker", name=op.f("payment_attempt_in_flight_key")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("payment_attempt")
