"""${message}

Revises: ${down_revision | comma,n}
"""

import sqlalchemy as sa
from alembic import op
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    ${upgrades if upgrades else "pass"}


def downgrade(engine_name: str = "") -> None:
    if engine_name:
        return
    ${downgrades if downgrades else "pass"}
