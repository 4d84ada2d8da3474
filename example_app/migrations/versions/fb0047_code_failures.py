# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""How many credit codes were tried in vain.

Revises: fb0046_alert_project_idx
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0047_code_failures"
down_revision = "fb0046_alert_project_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column(
        "billed_project",
        sa.Column("code_failures", sa.SmallInteger(), nullable=False, server_default="0"),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "code_failures")
