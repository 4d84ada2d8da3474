# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Projects by how far they are closed.

Revises: fb0020_stopped_until
"""

from alembic import op

revision = "fb0021_closed_until_index"
down_revision = "fb0020_stopped_until"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billed_project_closed_until_idx"), "billed_project", ["closed_until", "ended_at"]
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billed_project_closed_until_idx"), table_name="billed_project")
