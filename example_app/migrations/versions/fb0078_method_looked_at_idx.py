# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0077_collection_overpaid_idx
"""

from alembic import op

revision = "fb0078_method_looked_at_idx"
down_revision = "fb0077_collection_overpaid_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("payment_method_looked_at_idx"), "payment_method", ["looked_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("payment_method_looked_at_idx"), table_name="payment_method")
