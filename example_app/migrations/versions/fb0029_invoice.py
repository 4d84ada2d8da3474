# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""What projects owe.

Revises: fb0028_billing_usage_total
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0029_invoice"
down_revision = "fb0028_billing_usage_total"
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
        "billing_invoice",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("period_start", moment(), nullable=False),
        sa.Column("period_end", moment(), nullable=False),
        sa.Column("live_marker", sa.SmallInteger(), nullable=True),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("gross", sa.BigInteger(), nullable=False),
        sa.Column("subtotal", sa.BigInteger(), nullable=False),
        sa.Column("carried_in", sa.BigInteger(), nullable=False),
        sa.Column("adjusted", sa.BigInteger(), nullable=False),
        sa.Column("credit_used", sa.BigInteger(), nullable=False),
        sa.Column("credit_granted", sa.BigInteger(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("carried_out", sa.BigInteger(), nullable=False),
        sa.Column("waived", sa.BigInteger(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("closed_at", moment(), nullable=False),
        sa.Column("voided_at", moment(), nullable=True),
        sa.Column("void_reason", sa.String(40), nullable=True),
        sa.Column("voided_by", exact(100), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_invoice_pkey")),
        sa.CheckConstraint(sa.column("due") >= 0, name=op.f("billing_invoice_due_check")),
        sa.CheckConstraint(
            sa.column("live_marker") == 1, name=op.f("billing_invoice_live_marker_check")
        ),
        sa.CheckConstraint(
            sa.column("period_end") > sa.column("period_start"),
            name=op.f("billing_invoice_period_check"),
        ),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_invoice_project_key_fkey"),
        ),
        sa.UniqueConstraint(
            "project_key", "period_start", "live_marker", name=op.f("billing_invoice_period_key")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_invoice")
