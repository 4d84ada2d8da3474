# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0062_payment_invoice_idx
"""

from alembic import op

revision = "fb0063_payment_intent_idx"
down_revision = "fb0062_payment_invoice_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_payment_intent_id_idx"), "billing_payment", ["intent_id"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_payment_intent_id_idx"), table_name="billing_payment")
