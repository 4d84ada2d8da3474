# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""What people of the staff did.

Revises: fb0072_worker_seen_at_idx
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0073_billing_audit"
down_revision = "fb0072_worker_seen_at_idx"
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
        "billing_audit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("made_at", moment(), nullable=False),
        sa.Column("made_by", exact(100), nullable=True),
        sa.Column("way", sa.String(10), nullable=False),
        sa.Column("action", sa.String(40), nullable=False),
        sa.Column("object_type", sa.String(40), nullable=False),
        sa.Column("object_id", exact(100), nullable=False),
        sa.Column("project_key", exact(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("reason", sa.String(40), nullable=True),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_audit_pkey")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_audit")
