# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Messages that are to be sent, once.

Revises: fb0067_dispute_invoice_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0068_billing_notification"
down_revision = "fb0067_dispute_invoice_idx"
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
        "billing_notification",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("topic", exact(200), nullable=False),
        sa.Column("role", sa.String(20), nullable=False),
        sa.Column("project_key", exact(), nullable=True),
        sa.Column("billing_info_id", sa.Uuid(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.Column("payment_method_id", sa.Uuid(), nullable=True),
        sa.Column("alert_id", sa.Uuid(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("livemode", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), nullable=False),
        sa.Column("next_try_at", moment(), nullable=True),
        sa.Column("claimed_by", sa.Uuid(), nullable=True),
        sa.Column("error_class", sa.String(100), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_notification_pkey")),
        sa.ForeignKeyConstraint(
            ["billing_info_id"],
            ["billing_info.id"],
            name=op.f("billing_notification_billing_info_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoice.id"],
            name=op.f("billing_notification_invoice_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_method.id"],
            name=op.f("billing_notification_payment_method_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_notification_project_key_fkey"),
        ),
        sa.UniqueConstraint("topic", "role", name=op.f("billing_notification_topic_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_notification")
