# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""The lines of invoices.

Revises: fb0036_allowance_project_idx
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0037_invoice_line"
down_revision = "fb0036_allowance_project_idx"
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


def fixed(places: int) -> sa.types.TypeEngine[Any]:
    """Exact decimals; SQLite, which has none, counts the smallest unit."""
    return sa.Numeric(38, places).with_variant(sa.BigInteger(), "sqlite")


def exact_amount() -> sa.types.TypeEngine[Any]:
    """Exact amounts; text in SQLite, which has no decimals."""
    return sa.Numeric(48, 24).with_variant(sa.String(64), "sqlite")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "billing_invoice_line",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("invoice_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(12), nullable=False),
        sa.Column("resource_type", exact(100), nullable=True),
        sa.Column("resource_id", exact(), nullable=True),
        sa.Column("slot", exact(100), nullable=True),
        sa.Column("rate_id", sa.Uuid(), nullable=True),
        sa.Column("quantity", exact_amount(), nullable=True),
        sa.Column("minutes", sa.Integer(), nullable=True),
        sa.Column("free_quantity", exact_amount(), nullable=True),
        sa.Column("started_at", moment(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.Column("discount_percent", fixed(2), nullable=True),
        sa.Column("discount_id", sa.Uuid(), nullable=True),
        sa.Column("adjustment_id", sa.Uuid(), nullable=True),
        sa.Column("gross", exact_amount(), nullable=False),
        sa.Column("net", exact_amount(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_invoice_line_pkey")),
        sa.ForeignKeyConstraint(
            ["adjustment_id"],
            ["billing_adjustment.id"],
            name=op.f("billing_invoice_line_adjustment_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["discount_id"],
            ["billing_discount.id"],
            name=op.f("billing_invoice_line_discount_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["invoice_id"],
            ["billing_invoice.id"],
            name=op.f("billing_invoice_line_invoice_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["rate_id"], ["billing_rate.id"], name=op.f("billing_invoice_line_rate_id_fkey")
        ),
        sa.UniqueConstraint(
            "invoice_id", "position", name=op.f("billing_invoice_line_position_key")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_invoice_line")
