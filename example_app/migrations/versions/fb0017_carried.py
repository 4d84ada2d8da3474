# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""What was too small to charge so far.

Revises: fb0016_project_ended
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0017_carried"
down_revision = "fb0016_project_ended"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column(
        "billed_project", sa.Column("carried", sa.BigInteger(), nullable=False, server_default="0")
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "carried")
