"""What a project started on the processor's page.

Revises: fb0004_billed_project_index
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0005_setup_session"
down_revision = "fb0004_billed_project_index"
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
        "setup_session",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("project_key", exact(), nullable=False),
        sa.Column("billing_info_id", sa.Uuid(), nullable=True),
        sa.Column("stripe_id", exact(), nullable=True),
        sa.Column("purpose", sa.String(40), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("open_marker", sa.SmallInteger(), nullable=True),
        sa.Column("payment_method_id", sa.Uuid(), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("expires_at", moment(), nullable=True),
        sa.Column("ended_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("setup_session_pkey")),
        sa.ForeignKeyConstraint(
            ["project_key"],
            ["billed_project.project_key"],
            name=op.f("setup_session_project_key_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["billing_info_id"],
            ["billing_info.id"],
            name=op.f("setup_session_billing_info_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["payment_method_id"],
            ["payment_method.id"],
            name=op.f("setup_session_payment_method_id_fkey"),
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("setup_session_stripe_id_key")),
        sa.UniqueConstraint(
            "project_key", "purpose", "open_marker", name=op.f("setup_session_open_key")
        ),
        sa.CheckConstraint(
            sa.column("open_marker") == 1, name=op.f("setup_session_open_marker_check")
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("setup_session")
