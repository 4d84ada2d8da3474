# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0081_void_reissue
"""

from alembic import op

revision = "fb0082_past_due_since_idx"
down_revision = "fb0081_void_reissue"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billed_project_past_due_since_idx"), "billed_project", ["past_due_since"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billed_project_past_due_since_idx"), table_name="billed_project")
