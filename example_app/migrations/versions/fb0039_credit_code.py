# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Codes that grant credit.

Revises: fb0038_invoice_group
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0039_credit_code"
down_revision = "fb0038_invoice_group"
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
        "billing_credit_code",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("code", exact(40), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("expires_at", moment(), nullable=True),
        sa.Column("credit_days", sa.Integer(), nullable=True),
        sa.Column("max_uses", sa.Integer(), nullable=True),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("made_by", exact(100), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_credit_code_pkey")),
        sa.CheckConstraint(
            sa.column("uses") <= sa.column("max_uses"),
            name=op.f("billing_credit_code_max_uses_check"),
        ),
        sa.CheckConstraint(sa.column("uses") >= 0, name=op.f("billing_credit_code_uses_check")),
        sa.UniqueConstraint("code", name=op.f("billing_credit_code_code_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_credit_code")
