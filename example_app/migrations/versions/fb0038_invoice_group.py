# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""The lines of invoices, summed up.

Revises: fb0037_invoice_line
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "fb0038_invoice_group"
down_revision = "fb0037_invoice_line"
branch_labels = None
depends_on = None


def exact(length: int = 255) -> sa.types.TypeEngine[str]:
    """Text that tells upper from lower case and sorts by code point."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def exact_amount() -> sa.types.TypeEngine[Any]:
    """Exact amounts; text in SQLite, which has no decimals."""
    return sa.Numeric(48, 24).with_variant(sa.String(64), "sqlite")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "billing_invoice_group",
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False, autoincrement=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("group_name", exact(100), nullable=False),
        sa.Column("rate_id", sa.Uuid(), nullable=True),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("quantity", exact_amount(), nullable=True),
        sa.Column("free_quantity", exact_amount(), nullable=True),
        sa.Column("gross", exact_amount(), nullable=False),
        sa.Column("net", exact_amount(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("invoice_id", "position", name=op.f("billing_invoice_group_pkey")),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoice.id"],
            name=op.f("billing_invoice_group_invoice_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["rate_id"], ["billing_rate.id"], name=op.f("billing_invoice_group_rate_id_fkey")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_invoice_group")
