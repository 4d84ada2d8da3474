# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""The sums of a day's usage events.

Revises: fb0027_usage_counted_in_idx
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "fb0028_billing_usage_total"
down_revision = "fb0027_usage_counted_in_idx"
branch_labels = None
depends_on = None


def exact(length: int = 255) -> sa.types.TypeEngine[str]:
    """Text that tells upper from lower case and sorts by code point."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def fixed(places: int) -> sa.types.TypeEngine[Any]:
    """Exact decimals; SQLite, which has none, counts the smallest unit."""
    return sa.Numeric(38, places).with_variant(sa.BigInteger(), "sqlite")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "billing_usage_total",
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("counted_in", sa.Date(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("rate_id", sa.Uuid(), nullable=False),
        sa.Column("resource_type", exact(100), nullable=False),
        sa.Column("resource_id", exact(), nullable=False),
        sa.Column("quantity", fixed(6), nullable=False),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint(
            "project_key",
            "counted_in",
            "day",
            "rate_id",
            "resource_type",
            "resource_id",
            name=op.f("billing_usage_total_pkey"),
        ),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("billing_usage_total_project_key_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["rate_id"], ["billing_rate.id"], name=op.f("billing_usage_total_rate_id_fkey")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_usage_total")
