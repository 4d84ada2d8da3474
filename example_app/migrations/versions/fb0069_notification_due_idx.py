# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Messages that are to be sent, in their order.

Revises: fb0068_billing_notification
"""

from alembic import op

revision = "fb0069_notification_due_idx"
down_revision = "fb0068_billing_notification"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_index(
        op.f("billing_notification_due_idx"),
        "billing_notification",
        ["livemode", "state", "next_try_at"],
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_index(op.f("billing_notification_due_idx"), table_name="billing_notification")
