"""An index for what is asked for often.

Revises: fb0076_collect_closed
"""

from alembic import op

revision = "fb0077_collection_overpaid_idx"
down_revision = "fb0076_collect_closed"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_collection_overpaid_idx"), "billing_collection", ["overpaid"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_collection_overpaid_idx"), table_name="billing_collection")
