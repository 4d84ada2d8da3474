"""When a payment method was last read again.

Revises: fb0053_method_changed_at
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0054_method_looked_at"
down_revision = "fb0053_method_changed_at"
branch_labels = None
depends_on = None


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("payment_method", sa.Column("looked_at", moment(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("payment_method", "looked_at")
