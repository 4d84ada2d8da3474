"""An index for what is asked for often.

Revises: fb0069_notification_due_idx
"""

from alembic import op

revision = "fb0070_notification_invoice_idx"
down_revision = "fb0069_notification_due_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:  # has one for the foreign key
        op.execute(
            "ALTER TABLE billing_notification "
            "ADD INDEX billing_notification_invoice_id_idx (invoice_id), "
            "DROP INDEX billing_notification_invoice_id_fkey"
        )
    else:
        op.create_index(
            op.f("billing_notification_invoice_id_idx"), "billing_notification", ["invoice_id"]
        )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(
            "ALTER TABLE billing_notification "
            "ADD INDEX billing_notification_invoice_id_fkey (invoice_id), "
            "DROP INDEX billing_notification_invoice_id_idx"
        )
    else:
        op.drop_index(
            op.f("billing_notification_invoice_id_idx"), table_name="billing_notification"
        )
