"""Has invoices looked at again once their owner changed what they are charged to."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, or_, select, update

from flask_billing import clock
from flask_billing.models import BilledProjectRow, Invoice, InvoiceCollection, table_of

__all__ = ["wake"]

_WAITING = ("waiting", "processing", "transfer", "past_due")


def wake(connection: Connection, billing_info_id: UUID, *, needs: str | None = None) -> None:
    """Have every unpaid invoice of a billing info looked at now, in the caller's transaction.

    Those too that somebody else pays, or nobody, where their project has come to pay by it. What
    is parked stays so. Methods that were tried already, and did not change, are not tried again for
    it.

    :param needs: Only those that wait for just this of their owner, such as ``"address"``.
    """
    row, invoice = table_of(InvoiceCollection).c, table_of(Invoice).c
    project = table_of(BilledProjectRow).c
    its = select(invoice.id).join(
        project.project_key.table, project.project_key == invoice.project_key
    )
    of_projects = its.where(
        project.billing_info_id == billing_info_id,
        # One that is issued has no payer where its customer was deleted, or one who gives way.
        invoice.state.in_(["closed", "open"]),
        invoice.due > 0,
    )
    waiting = [] if needs is None else [row.needs == needs]
    _look_now(connection, row.billing_info_id == billing_info_id, *waiting)
    is_anothers = or_(row.billing_info_id.is_(None), row.billing_info_id != billing_info_id)
    _look_now(connection, is_anothers, row.invoice_id.in_(of_projects), *waiting)


def _look_now(connection: Connection, *conditions: ColumnElement[Any]) -> None:
    row = table_of(InvoiceCollection)
    connection.execute(
        update(row).where(row.c.state.in_(_WAITING), *conditions).values(next_try_at=clock.now())
    )
