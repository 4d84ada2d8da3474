# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""An index for what is asked for often.

Revises: fb0059_attempt_invoice_idx
"""

from alembic import op

revision = "fb0060_attempt_method_idx"
down_revision = "fb0059_attempt_invoice_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:  # has one for the foreign key
        op.execute(
            "ALTER TABLE payment_attempt "
            "ADD INDEX payment_attempt_payment_method_id_idx "
            "(payment_method_id, in_flight_marker, created_at), "
            "DROP INDEX payment_attempt_payment_method_id_fkey"
        )
    else:
        op.create_index(
            op.f("payment_attempt_payment_method_id_idx"),
            "payment_attempt",
            ["payment_method_id", "in_flight_marker", "created_at"],
        )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(
            "ALTER TABLE payment_attempt "
            "ADD INDEX payment_attempt_payment_method_id_fkey (payment_method_id), "
            "DROP INDEX payment_attempt_payment_method_id_idx"
        )
    else:
        op.drop_index(op.f("payment_attempt_payment_method_id_idx"), table_name="payment_attempt")
