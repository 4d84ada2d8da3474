# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""What the processor told.

Revises: fb0010_payment_method_mandate
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0011_billing_event"
down_revision = "fb0010_payment_method_mandate"
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
        "billing_event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=False),
        sa.Column("type", sa.String(100), nullable=False),
        sa.Column("object_id", exact(), nullable=True),
        sa.Column("object_type", sa.String(100), nullable=True),
        sa.Column("customer_id", exact(), nullable=True),
        sa.Column("account_id", exact(), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("api_version", sa.String(60), nullable=True),
        sa.Column("idempotency_key", exact(), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("received_at", moment(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_try_at", moment(), nullable=True),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.Column("error_class", sa.String(100), nullable=True),
        sa.Column("error_code", sa.String(100), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_event_pkey")),
        sa.UniqueConstraint("stripe_id", name=op.f("billing_event_stripe_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_event")
