# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""When a payment method was last added, renewed or moved.

Revises: fb0052_past_due_since
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0053_method_changed_at"
down_revision = "fb0052_past_due_since"
branch_labels = None
depends_on = None


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("payment_method", sa.Column("changed_at", moment(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("payment_method", "changed_at")
