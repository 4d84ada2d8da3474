# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Credit that was granted.

Revises: fb0039_credit_code
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0040_credit"
down_revision = "fb0039_credit_code"
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
        "billing_credit",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=False),
        sa.Column("granted_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=True),
        sa.Column("reason", sa.String(40), nullable=False),
        sa.Column("granted_by", exact(100), nullable=True),
        sa.Column("code_id", sa.Uuid(), nullable=True),
        sa.Column("invoice_id", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_credit_pkey")),
        sa.CheckConstraint(sa.column("amount") > 0, name=op.f("billing_credit_amount_check")),
        sa.CheckConstraint(
            sa.column("remaining") <= sa.column("amount"), name=op.f("billing_credit_most_check")
        ),
        sa.CheckConstraint(
            sa.column("remaining") >= 0, name=op.f("billing_credit_remaining_check")
        ),
        sa.ForeignKeyConstraint(
            ["code_id"], ["billing_credit_code.id"], name=op.f("billing_credit_code_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"], ["billing_invoice.id"], name=op.f("billing_credit_invoice_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_credit_project_key_fkey"),
        ),
        sa.UniqueConstraint("project_key", "code_id", name=op.f("billing_credit_code_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_credit")
