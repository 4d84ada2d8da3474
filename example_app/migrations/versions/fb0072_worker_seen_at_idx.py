# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0071_billing_worker
"""

from alembic import op

revision = "fb0072_worker_seen_at_idx"
down_revision = "fb0071_billing_worker"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_worker_seen_at_idx"), "billing_worker", ["seen_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_worker_seen_at_idx"), table_name="billing_worker")
