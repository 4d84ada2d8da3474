# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0040_credit
"""

from alembic import op

revision = "fb0041_credit_project_idx"
down_revision = "fb0040_credit"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billing_credit_project_key_idx"), "billing_credit", ["project_key", "remaining"]
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_credit_project_key_idx"), table_name="billing_credit")
