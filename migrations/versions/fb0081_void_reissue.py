"""Whether the period of an invoice that is to be void is closed once more.

Revises: fb0080_void_by
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0081_void_reissue"
down_revision = "fb0080_void_by"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billing_collection", sa.Column("void_reissue", sa.Boolean(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billing_collection", "void_reissue")
