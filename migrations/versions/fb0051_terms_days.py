"""Within how many days a project pays by transfer.

Revises: fb0050_invoice_state_idx
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0051_terms_days"
down_revision = "fb0050_invoice_state_idx"
branch_labels = None
depends_on = None


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billed_project", sa.Column("terms_days", sa.SmallInteger(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billed_project", "terms_days")
