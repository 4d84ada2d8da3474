# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0074_audit_object_idx
"""

from alembic import op

revision = "fb0075_audit_made_at_idx"
down_revision = "fb0074_audit_object_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_audit_made_at_idx"), "billing_audit", ["made_at"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_audit_made_at_idx"), table_name="billing_audit")
