# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Spans of use.

Revises: fb0022_billing_rate
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0023_billing_record"
down_revision = "fb0022_billing_rate"
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


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "billing_record",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("resource_type", exact(100), nullable=False),
        sa.Column("resource_id", exact(), nullable=False),
        sa.Column("slot", exact(100), nullable=False),
        sa.Column("rate_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", fixed(6), nullable=False),
        sa.Column("started_at", moment(), nullable=False),
        sa.Column("ended_at", moment(), nullable=True),
        sa.Column("open_marker", sa.SmallInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_record_pkey")),
        sa.CheckConstraint(
            sa.column("ended_at") >= sa.column("started_at"),
            name=op.f("billing_record_ended_at_check"),
        ),
        sa.CheckConstraint(
            sa.column("open_marker") == 1, name=op.f("billing_record_open_marker_check")
        ),
        sa.CheckConstraint(sa.column("quantity") > 0, name=op.f("billing_record_quantity_check")),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_record_project_key_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["rate_id"], ["billing_rate.id"], name=op.f("billing_record_rate_id_fkey")
        ),
        sa.UniqueConstraint(
            "open_marker",
            "resource_type",
            "resource_id",
            "slot",
            name=op.f("billing_record_open_key"),
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_record")
