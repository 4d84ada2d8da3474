# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Usage events.

Revises: fb0025_billing_pause
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0026_billing_usage"
down_revision = "fb0025_billing_pause"
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
        "billing_usage",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("event_id", exact(), nullable=False),
        sa.Column("rate_id", sa.Uuid(), nullable=False),
        sa.Column("quantity", fixed(6), nullable=False),
        sa.Column("used_at", moment(), nullable=False),
        sa.Column("resource_type", exact(100), nullable=True),
        sa.Column("resource_id", exact(), nullable=True),
        sa.Column("counted_in", sa.Date(), nullable=False),
        sa.Column("recorded_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("billing_usage_pkey")),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_usage_project_key_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["rate_id"], ["billing_rate.id"], name=op.f("billing_usage_rate_id_fkey")
        ),
        sa.UniqueConstraint("project_key", "event_id", name=op.f("billing_usage_event_id_key")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_usage")
