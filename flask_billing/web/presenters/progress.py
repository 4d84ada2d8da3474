"""Says how far the money of an invoice is, and which invoice of a project presses most."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, and_, case, or_, select

from flask_billing.models import Invoice, InvoiceCollection, PaymentAttempt
from flask_billing.state import current

__all__ = ["Progress", "pressing_of", "progress_of", "progress_of_all", "waits_for_address"]

#: States of a collection in which its owner may pay at once, beside the planned tries.
_PAYABLE = ("waiting", "past_due", "transfer")
_NOT_ISSUED = (None, "draft", "leaving", "deleted")


class Progress(NamedTuple):
    """An invoice, and how its money comes in."""

    invoice: Invoice
    collection: InvoiceCollection | None
    #: The state of the try that is under way, if one is.
    in_flight: str | None

    @property
    def situation(self) -> str:
        """In one word, what there is to say of it.

        `void`, `paid`, `written_off`, `carried`, `waived` or `nothing` where nothing is to be paid;
        `due`, `checking`, `processing`, `parked` or `transfer` where it goes on without its owner;
        `past_due`, `confirmation`, `payment_method`, `address` or `unpaid` where it does not.
        """
        return self._ended() or self._under_way() or self._waiting()

    @property
    def needs(self) -> str | None:
        """What only its owner can give, unless a payment is under way already."""
        is_open = not self._ended() and not self._under_way()
        return self.collection.needs if is_open and self.collection is not None else None

    @property
    def can_be_paid(self) -> bool:
        """Whether its owner can pay it now."""
        collection = self.collection
        return (
            collection is not None
            and not self._ended()
            and self.in_flight is None
            and collection.state in _PAYABLE
            and collection.remote_state == "open"
            and collection.livemode == current().settings.livemode
            and self.to_pay > 0
        )

    @property
    def to_pay(self) -> int:
        """What is still to be paid of it, in minor units; before tax while that is not known."""
        if self.collection is None or self.collection.remaining is None:
            return self.invoice.due
        return self.collection.remaining

    @property
    def until(self) -> datetime | None:
        """Until when its owner has to do something; `None` where there is no such day."""
        collection = self.collection
        if collection is None or self._ended() or collection.state == "past_due":
            return None
        if collection.due_at is not None:
            return collection.due_at
        days = current().settings.retry_days
        if collection.first_failed_at is None or not days:
            return None
        return collection.first_failed_at + timedelta(days=days[-1])

    def _ended(self) -> str:
        invoice = self.invoice
        last = {"void": "void", "paid": "paid", "uncollectible": "written_off"}
        if invoice.state in last:
            return last[invoice.state]
        if invoice.due:
            return ""
        if invoice.carried_out:
            return "carried"
        return "waived" if invoice.waived else "nothing"

    def _under_way(self) -> str:
        state = self.collection.state if self.collection is not None else "waiting"
        if self.in_flight == "sending":
            return "checking"
        if self.in_flight == "processing" or state == "processing":
            return "processing"
        return "parked" if state == "parked" else ""

    def _waiting(self) -> str:
        collection = self.collection
        if collection is None:
            return "due"
        if collection.state == "past_due":
            return "past_due"
        if collection.needs is not None:
            return collection.needs
        if collection.state == "transfer":
            return "transfer"
        return "unpaid" if collection.first_failed_at is not None else "due"


def progress_of(invoice_id: UUID) -> Progress:
    """Return how far an invoice is, as the database has it now."""
    return _read(Invoice.id == invoice_id)[0]


def progress_of_all(invoices: Iterable[Invoice]) -> list[Progress]:
    """Return how far invoices are, in their order and with one statement for all of them."""
    shown = list(invoices)
    ids = [invoice.id for invoice in shown if invoice.due]
    found = _read(Invoice.id.in_(ids)) if ids else []
    known = {progress.invoice.id: progress for progress in found}
    return [known.get(invoice.id, Progress(invoice, None, None)) for invoice in shown]


def pressing_of(project_key: str) -> Progress | None:
    """Return the invoice that waits for its owner most: past due ones first, then the oldest."""
    collection = InvoiceCollection
    waits = or_(
        collection.state == "past_due",
        and_(
            collection.state == "waiting",
            or_(collection.needs.is_not(None), collection.first_failed_at.is_not(None)),
        ),
    )
    found = _read(
        Invoice.project_key == project_key,
        Invoice.state.in_(("closed", "open")),
        collection.livemode == current().settings.livemode,
        waits,
        PaymentAttempt.id.is_(None),
        order_by=(case((collection.state == "past_due", 0), else_=1), Invoice.period_start),
        limit=1,
    )
    return found[0] if found else None


def waits_for_address(project_key: str) -> bool:
    """Return whether an invoice of a project can't be issued without its owner's address."""
    found = _read(Invoice.project_key == project_key, InvoiceCollection.needs == "address")
    return any(progress.needs == "address" for progress in found)


def _read(
    *conditions: ColumnElement[bool], order_by: Sequence[Any] = (), limit: int | None = None
) -> list[Progress]:
    in_flight = and_(
        PaymentAttempt.invoice_id == Invoice.id, PaymentAttempt.in_flight_marker.is_not(None)
    )
    query = (
        select(Invoice, InvoiceCollection, PaymentAttempt.state)
        .outerjoin(InvoiceCollection, InvoiceCollection.invoice_id == Invoice.id)
        .outerjoin(PaymentAttempt, in_flight)
        .where(*conditions)
        .order_by(*order_by)
        .limit(limit)
        # What another transaction wrote while the processor was asked has to be seen.
        .execution_options(populate_existing=True)
    )
    return [Progress(*row) for row in current().db.session.execute(query)]
