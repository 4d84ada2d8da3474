# Copied from flask_billing 0.1.0 by 'flask billing install-migrations'.
"""Invoices that were closed before their money was collected are collected too.

Revises: fb0075_audit_made_at_idx
"""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import mysql

revision = "fb0076_collect_closed"
down_revision = "fb0075_audit_made_at_idx"
branch_labels = None
depends_on = None


def moment() -> sa.types.TypeEngine[datetime]:
    """A time with microseconds and, where the database knows zones, its zone."""
    return sa.DateTime(timezone=True).with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")


def upgrade(engine_name: str = "") -> None:
    if engine_name:  # another database of the host's
        return
    columns = ("id", "project_key", "state", "live_marker", "due")
    invoice = sa.table("billing_invoice", *map(sa.column, columns))
    project = sa.table("billed_project", sa.column("project_key"), sa.column("billing_info_id"))
    info = sa.table("billing_info", sa.column("id"), sa.column("livemode"))
    collection = sa.table("billing_collection", sa.column("invoice_id"))
    now = datetime.now(UTC)
    if op.get_context().dialect.name != "postgresql":  # which alone keeps the zone
        now = now.replace(tzinfo=None)
    at_once = sa.literal(now, moment())
    # Where nobody pays yet, no row here tells real money from test money. The first worker that
    # collects knows it by its key, and adds what is missing.
    waiting = (
        sa.select(
            invoice.c.id,
            info.c.livemode,
            sa.literal(0),
            sa.literal("waiting"),
            at_once,
            at_once,
            sa.literal(0),
            sa.literal(0),
        )
        .join_from(invoice, project, project.c.project_key == invoice.c.project_key)
        .join(info, info.c.id == project.c.billing_info_id)
        .where(
            invoice.c.state == "closed",
            invoice.c.live_marker == 1,
            invoice.c.due > 0,
            sa.not_(sa.exists().where(collection.c.invoice_id == invoice.c.id)),
        )
    )
    written = ("livemode", "stamp", "state", "state_since", "next_try_at", "round", "failures")
    target = sa.table("billing_collection", *map(sa.column, ("invoice_id", *written)))
    op.execute(sa.insert(target).from_select(["invoice_id", *written], waiting))


def downgrade(engine_name: str = "") -> None:
    # The rows are in use by now, and go with their table.
    return
