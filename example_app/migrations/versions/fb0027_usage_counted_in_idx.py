# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0026_billing_usage
"""

from alembic import op

revision = "fb0027_usage_counted_in_idx"
down_revision = "fb0026_billing_usage"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billing_usage_counted_in_idx"), "billing_usage", ["project_key", "counted_in"]
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_usage_counted_in_idx"), table_name="billing_usage")
