"""An index for what is asked for often.

Revises: fb0056_collection_due_idx
"""

from alembic import op

revision = "fb0057_collection_info_idx"
down_revision = "fb0056_collection_due_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:  # has one for the foreign key
        op.execute(
            "ALTER TABLE billing_collection "
            "ADD INDEX billing_collection_billing_info_id_idx (billing_info_id, state), "
            "DROP INDEX billing_collection_billing_info_id_fkey"
        )
    else:
        op.create_index(
            op.f("billing_collection_billing_info_id_idx"),
            "billing_collection",
            ["billing_info_id", "state"],
        )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(
            "ALTER TABLE billing_collection "
            "ADD INDEX billing_collection_billing_info_id_fkey (billing_info_id), "
            "DROP INDEX billing_collection_billing_info_id_idx"
        )
    else:
        op.drop_index(
            op.f("billing_collection_billing_info_id_idx"), table_name="billing_collection"
        )
