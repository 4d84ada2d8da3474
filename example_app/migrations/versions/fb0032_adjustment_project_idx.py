# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0031_billing_adjustment
"""

from alembic import op

revision = "fb0032_adjustment_project_idx"
down_revision = "fb0031_billing_adjustment"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:  # has one for the foreign key
        op.execute(
            "ALTER TABLE billing_adjustment "
            "ADD INDEX billing_adjustment_project_key_idx (project_key, invoice_id), "
            "DROP INDEX billing_adjustment_project_key_fkey"
        )
    else:
        op.create_index(
            op.f("billing_adjustment_project_key_idx"),
            "billing_adjustment",
            ["project_key", "invoice_id"],
        )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(
            "ALTER TABLE billing_adjustment "
            "ADD INDEX billing_adjustment_project_key_fkey (project_key), "
            "DROP INDEX billing_adjustment_project_key_idx"
        )
    else:
        op.drop_index(op.f("billing_adjustment_project_key_idx"), table_name="billing_adjustment")
