# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0066_billing_dispute
"""

from alembic import op

revision = "fb0067_dispute_invoice_idx"
down_revision = "fb0066_billing_dispute"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:  # has one for the foreign key
        op.execute(
            "ALTER TABLE billing_dispute "
            "ADD INDEX billing_dispute_invoice_id_idx (invoice_id), "
            "DROP INDEX billing_dispute_invoice_id_fkey"
        )
    else:
        op.create_index(op.f("billing_dispute_invoice_id_idx"), "billing_dispute", ["invoice_id"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(
            "ALTER TABLE billing_dispute "
            "ADD INDEX billing_dispute_invoice_id_fkey (invoice_id), "
            "DROP INDEX billing_dispute_invoice_id_idx"
        )
    else:
        op.drop_index(op.f("billing_dispute_invoice_id_idx"), table_name="billing_dispute")
