# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Which handlers of the host have dealt with an event.

Revises: fb0013_billing_event_received
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0014_event_handling"
down_revision = "fb0013_billing_event_received"
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
        "billing_event_handling",
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("handler", exact(), nullable=False),
        sa.Column("done_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "handler", name=op.f("billing_event_handling_pkey")),
        sa.ForeignKeyConstraint(
            ["event_id"],
            ["billing_event.id"],
            name=op.f("billing_event_handling_event_id_fkey"),
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("billing_event_handling")
