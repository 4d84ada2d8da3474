# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Which notifications wait to be processed.

Revises: fb0011_billing_event
"""

from alembic import op

revision = "fb0012_billing_event_index"
down_revision = "fb0011_billing_event"
branch_labels = None
depends_on = None

INDEX = "billing_event_due_idx"


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f(INDEX), "billing_event", ["livemode", "state", "next_try_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f(INDEX), table_name="billing_event")
