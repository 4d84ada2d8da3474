# Copied from flask_billing's source tree by 'flask billing install-migrations'.
"""What invoices are charged to.

Revises: fb0001_billing_info
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0002_payment_method"
down_revision = "fb0001_billing_info"
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
        "payment_method",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stripe_id", exact(), nullable=False),
        sa.Column("billing_info_id", sa.Uuid(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("usable", sa.Boolean(), nullable=False),
        sa.Column("refusal", sa.String(40), nullable=True),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("stamp", sa.BigInteger(), nullable=False),
        sa.Column("leaving_at", moment(), nullable=True),
        sa.Column("removed_at", moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("payment_method_pkey")),
        sa.ForeignKeyConstraint(
            ["billing_info_id"],
            ["billing_info.id"],
            name=op.f("payment_method_billing_info_id_fkey"),
        ),
        sa.UniqueConstraint("stripe_id", name=op.f("payment_method_stripe_id_key")),
        sa.UniqueConstraint(
            "billing_info_id", "position", name=op.f("payment_method_billing_info_id_position_key")
        ),
        sa.CheckConstraint(sa.column("position") >= 0, name=op.f("payment_method_position_check")),
        sa.CheckConstraint(
            sa.or_(sa.column("removed_at").is_(None), sa.column("position").is_(None)),
            name=op.f("payment_method_removed_at_check"),
        ),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("payment_method")
