"""Why an invoice is to be void.

Revises: fb0078_method_looked_at_idx
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0079_void_reason"
down_revision = "fb0078_method_looked_at_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billing_collection", sa.Column("void_reason", sa.String(40), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billing_collection", "void_reason")
