"""The counter that orders what the processor answered.

Revises: fb0006_gateway_account
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0007_sync_stamp"
down_revision = "fb0006_gateway_account"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.create_table(
        "sync_stamp",
        sa.Column("id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("last", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("sync_stamp_pkey")),
    )


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_table("sync_stamp")
