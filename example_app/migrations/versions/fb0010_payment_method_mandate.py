# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""The mandate that a payment method hangs on.

Revises: harbour_002
"""

import sqlalchemy as sa
from alembic import op

revision = "fb0010_payment_method_mandate"
down_revision = "harbour_002"
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
    op.add_column("payment_method", sa.Column("mandate_id", exact(), nullable=True))


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    op.drop_column("payment_method", "mandate_id")
