"""An index for what is asked for often.

Revises: fb0073_billing_audit
"""

from alembic import op

revision = "fb0074_audit_object_idx"
down_revision = "fb0073_billing_audit"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(op.f("billing_audit_object_idx"), "billing_audit", ["object_type", "object_id"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_audit_object_idx"), table_name="billing_audit")
