# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0029_invoice
"""

from alembic import op

revision = "fb0030_invoice_period_start_idx"
down_revision = "fb0029_invoice"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billing_invoice_period_start_idx"), "billing_invoice", ["period_start", "currency"]
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_invoice_period_start_idx"), table_name="billing_invoice")
