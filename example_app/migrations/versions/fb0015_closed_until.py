# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Up to when a project's periods are closed.

Revises: harbour_003
"""

from datetime import datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0015_closed_until"
down_revision = "harbour_003"
branch_labels = None
depends_on = None


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billed_project", sa.Column("closed_until", moment(), nullable=True))
    # Nothing was billed before a project was known: its first period begins there.
    project = sa.table("billed_project", sa.column("closed_until"), sa.column("created_at"))
    op.execute(sa.update(project).values(closed_until=project.c.created_at))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "closed_until")
