# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Why a project's next period is not closed.

Revises: fb0017_carried
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0018_parked_reason"
down_revision = "fb0017_carried"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billed_project", sa.Column("parked_reason", sa.String(40), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "parked_reason")
