# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Since when a project has an invoice that is past due.

Revises: fb0051_terms_days
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0052_past_due_since"
down_revision = "fb0051_terms_days"
branch_labels = None
depends_on = None


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billed_project", sa.Column("past_due_since", moment(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "past_due_since")
