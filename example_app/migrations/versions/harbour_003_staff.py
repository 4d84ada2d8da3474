"""Who works for Harbour."""

import sqlalchemy as sa
from alembic import op

revision = "harbour_003"
down_revision = "fb0014_event_handling"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("user_account") as account:
        account.add_column(
            sa.Column("is_staff", sa.Boolean(), nullable=False, server_default=sa.false())
        )


def downgrade() -> None:
    with op.batch_alter_table("user_account") as account:
        account.drop_column("is_staff")
