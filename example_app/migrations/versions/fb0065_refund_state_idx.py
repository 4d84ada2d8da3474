# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Refunds that somebody has to look at, in their order.

Revises: fb0064_billing_refund
"""

from alembic import op

revision = "fb0065_refund_state_idx"
down_revision = "fb0064_billing_refund"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_refund_state_idx"), "billing_refund", ["state", "next_try_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_refund_state_idx"), table_name="billing_refund")
