# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Invoices by their state.

Revises: fb0049_usage_from
"""

from alembic import op

revision = "fb0050_invoice_state_idx"
down_revision = "fb0049_usage_from"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_invoice_state_idx"), "billing_invoice", ["state", "due"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_invoice_state_idx"), table_name="billing_invoice")
