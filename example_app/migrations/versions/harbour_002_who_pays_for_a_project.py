"""Who pays for a project."""

import sqlalchemy as sa
from alembic import op

revision = "harbour_002"
down_revision = "fb0009_payment_hold"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("project") as project:
        project.add_column(sa.Column("billing_info_id", sa.Uuid(), nullable=True))
        project.create_foreign_key(
            op.f("project_billing_info_id_fkey"), "billing_info", ["billing_info_id"], ["id"]
        )


def downgrade() -> None:
    with op.batch_alter_table("project") as project:
        project.drop_constraint(op.f("project_billing_info_id_fkey"), type_="foreignkey")
        project.drop_column("billing_info_id")
