"""An index for what is asked for often.

Revises: fb0058_payment_attempt
"""

from alembic import op

revision = "fb0059_attempt_invoice_idx"
down_revision = "fb0058_payment_attempt"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("payment_attempt_invoice_id_idx"), "payment_attempt", ["invoice_id", "id"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("payment_attempt_invoice_id_idx"), table_name="payment_attempt")
