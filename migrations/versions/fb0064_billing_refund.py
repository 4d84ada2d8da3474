"""Money that goes back.

Revises: fb0063_payment_intent_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0064_billing_refund"
down_revision = "fb0063_payment_intent_idx"
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
        "billing_refund",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("overpayment_marker", sa.SmallInteger(), nullable=True),
        sa.Column("in_flight_marker", sa.SmallInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("intent_id", exact(), nullable=True),
        sa.Column("stripe_id", exact(), nullable=True),
        sa.Column("credit_note_id", exact(), nullable=True),
        sa.Column("balance_transaction_id", exact(), nullable=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("made_by", exact(100), nullable=True),
        sa.Column("code", sa.String(100), nullable=True),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("sent_at", moment(), nullable=False),
        sa.Column("sends", sa.SmallInteger(), nullable=False),
        sa.Column("next_try_at", moment(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_refund_pkey")),
        sa.CheckConstraint(sa.column("amount") > 0, name=op.f("billing_refund_amount_check")),
        sa.CheckConstraint(
            sa.column("in_flight_marker") == 1, name=op.f("billing_refund_in_flight_marker_check")
        ),
        sa.CheckConstraint(
            sa.column("overpayment_marker") == 1,
            name=op.f("billing_refund_overpayment_marker_check"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("billing_refund_invoice_id_fkey")
        ),
        sa.UniqueConstraint("credit_note_id", name=op.f("billing_refund_credit_note_id_key")),
        sa.UniqueConstraint(
            "invoice_id", "in_flight_marker", name=op.f("billing_refund_in_flight_key")
        ),
        sa.UniqueConstraint(
            "invoice_id", "overpayment_marker", name=op.f("billing_refund_overpayment_key")
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("billing_refund_stripe_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_refund")
