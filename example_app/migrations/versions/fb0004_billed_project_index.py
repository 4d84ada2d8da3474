# Copied from flask_billing's source tree by 'flask billing install-migrations'.
"""Finds the projects that share billing info.

Revises: fb0003_billed_project
"""

from alembic import op

revision = "fb0004_billed_project_index"
down_revision = "fb0003_billed_project"
branch_labels = None
depends_on = None

TABLE = "billed_project"
INDEX = "billed_project_billing_info_id_idx"
FOREIGN_KEY = "billed_project_billing_info_id_fkey"


# MariaDB makes an index for every foreign key, named as the key is, and lets nobody drop the last
# one that serves it. That index becomes ours, and goes back.


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(f"ALTER TABLE {TABLE} RENAME INDEX {FOREIGN_KEY} TO {INDEX}")
    else:
        op.create_index(op.f(INDEX), TABLE, ["billing_info_id"])


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    if op.get_context().dialect.name in {"mysql", "mariadb"}:
        op.execute(f"ALTER TABLE {TABLE} RENAME INDEX {INDEX} TO {FOREIGN_KEY}")
    else:
        op.drop_index(op.f(INDEX), table_name=TABLE)
