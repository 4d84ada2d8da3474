# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""What is to be collected, in its order.

Revises: fb0055_billing_collection
"""

from alembic import op

revision = "fb0056_collection_due_idx"
down_revision = "fb0055_billing_collection"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billing_collection_due_idx"),
        "billing_collection",
        ["livemode", "state", "next_try_at"],
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_collection_due_idx"), table_name="billing_collection")
