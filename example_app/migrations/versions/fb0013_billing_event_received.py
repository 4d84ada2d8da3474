# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""When notifications arrived.

Revises: fb0012_billing_event_index
"""

from alembic import op

revision = "fb0013_billing_event_received"
down_revision = "fb0012_billing_event_index"
branch_labels = None
depends_on = None

INDEX = "billing_event_received_at_idx"


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f(INDEX), "billing_event", ["received_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f(INDEX), table_name="billing_event")
