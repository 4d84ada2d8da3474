# Copied from flask_billing's source tree by 'flask billing install-migrations'.
"""Our own row for a project.

Revises: fb0002_payment_method
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0003_billed_project"
down_revision = "fb0002_payment_method"
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
        "billed_project",
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("currency", sa.String(3), nullable=True),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("billing_info_id", sa.Uuid(), nullable=True),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("project_key", name=op.f("billed_project_pkey")),
        sa.ForeignKeyConstraint(
            ["billing_info_id"],
            ["billing_info.id"],
            name=op.f("billed_project_billing_info_id_fkey"),
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billed_project")
