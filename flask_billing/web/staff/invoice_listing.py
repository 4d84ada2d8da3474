"""Reads invoices for staff: a page of the list, and counts that cost the same for millions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, func, literal, select, union_all
from sqlalchemy.orm import contains_eager

from flask_billing import projects
from flask_billing.models import Invoice, InvoiceCollection
from flask_billing.state import current
from flask_billing.web.staff import keyset
from flask_billing.web.staff.invoice_filters import InvoiceFilters
from flask_billing.web.staff.keyset import Order, Page, Query
from flask_billing.web.staff.listing import COUNTED
from flask_billing.web.staff.standings import conditions, of_this_mode

__all__ = ["counts", "find", "page_of"]


def counts() -> Mapping[str, int]:
    """Return how many invoices stand where, in one statement; one more than `COUNTED` at most."""
    parts = [_count(name, condition) for name, condition in conditions().items()]
    found: Any = projects.connection().execute(union_all(*parts)).all()
    return dict(found)


def page_of(filters: InvoiceFilters, *, newer: str = "", older: str = "") -> Page[Invoice]:
    """Return the invoices that `filters` mean; `newer` and `older` are cursors."""
    query = _invoices().where(*filters.conditions())
    return keyset.page_of(query, Order(Invoice.id), newer=newer, older=older)


def find(invoice_id: UUID) -> Invoice | None:
    """Return an invoice with its collection, as the database has it now."""
    query = _invoices().where(Invoice.id == invoice_id, of_this_mode())
    found: Invoice | None = current().db.session.scalar(
        query, execution_options={"populate_existing": True}
    )
    return found


def _invoices() -> Query:
    return (
        select(Invoice)
        .outerjoin(InvoiceCollection, InvoiceCollection.invoice_id == Invoice.id)
        .options(contains_eager(Invoice.collection))
    )


def _count(name: str, condition: ColumnElement[bool]) -> Query:
    some = (
        select(Invoice.id)
        .outerjoin(InvoiceCollection, InvoiceCollection.invoice_id == Invoice.id)
        .where(of_this_mode(), condition)
        .limit(COUNTED + 1)
        .subquery()
    )
    return select(literal(name), func.count()).select_from(some)
