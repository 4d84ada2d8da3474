"""Who wants an invoice to be void.

Revises: fb0079_void_reason
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0080_void_by"
down_revision = "fb0079_void_reason"
branch_labels = None
depends_on = None


def exact(length: int = 255) -> sa.types.TypeEngine[str]:
    """Text that tells upper from lower case and sorts by code point."""
    return (
        sa.String(length)
        .with_variant(sa.String(length, collation="C"), "postgresql")
        .with_variant(sa.String(length, collation="utf8mb4_bin"), "mysql", "mariadb")
    )


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    op.add_column("billing_collection", sa.Column("void_by", exact(100), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("billing_collection", "void_by")
