"""Finds closed invoices, always through their project."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select
from werkzeug.exceptions import NotFound

from flask_billing.models import Invoice, InvoiceGroup, InvoiceLine
from flask_billing.periods import Span
from flask_billing.state import current

__all__ = ["groups_of", "invoice_of", "invoices_in", "invoices_of", "lines_of"]


def invoices_of(
    project_key: str, *, limit: int | None = None, before: Invoice | None = None
) -> list[Invoice]:
    """Return a project's invoices, the newest first and void ones among them.

    :param before: Go on behind this one.
    """
    query = (
        select(Invoice)
        .where(Invoice.project_key == project_key)
        .order_by(Invoice.period_start.desc(), Invoice.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(
            (Invoice.period_start < before.period_start)
            | ((Invoice.period_start == before.period_start) & (Invoice.id < before.id))
        )
    return list(current().db.session.scalars(query))


def invoices_in(project_key: str, month: Span) -> list[Invoice]:
    """Return a project's invoices for a month, in order; void ones come last."""
    query = (
        select(Invoice)
        .where(
            Invoice.project_key == project_key,
            Invoice.period_start >= month.start,
            Invoice.period_start < month.end,
        )
        .order_by(Invoice.live_marker.is_(None), Invoice.period_start, Invoice.id)
    )
    return list(current().db.session.scalars(query))


def invoice_of(project_key: str, invoice_id: UUID) -> Invoice:
    """Return an invoice of a project.

    :raises werkzeug.exceptions.NotFound: This project has no such invoice.
    """
    query = select(Invoice).where(Invoice.project_key == project_key, Invoice.id == invoice_id)
    found: Invoice | None = current().db.session.scalars(query).one_or_none()
    if found is None:
        raise NotFound
    return found


def groups_of(invoice: Invoice) -> list[InvoiceGroup]:
    """Return the lines of an invoice summed up by kind and rate, in their order."""
    query = (
        select(InvoiceGroup)
        .where(InvoiceGroup.invoice_id == invoice.id)
        .order_by(InvoiceGroup.position)
    )
    return list(current().db.session.scalars(query))


def lines_of(
    invoice: Invoice, after_position: int = 0, limit: int | None = 100
) -> list[InvoiceLine]:
    """Return lines of an invoice in their order.

    :param after_position: Go on behind this line.
    :param limit: How many at most; `None` for all the rest.
    """
    query = (
        select(InvoiceLine)
        .where(InvoiceLine.invoice_id == invoice.id, InvoiceLine.position > after_position)
        .order_by(InvoiceLine.position)
        .limit(limit)
    )
    return list(current().db.session.scalars(query))
