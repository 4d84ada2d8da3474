"""Goes on with refunds that wait: unknown outcomes, money under way, what was paid too much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import astuple, dataclass
from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, Select, SQLColumnExpression, func, select, update

from flask_billing import clock, projects, sync
from flask_billing.errors import GatewayError, RefundRefused
from flask_billing.models import BillingInfo, InvoiceCollection, InvoiceRefund, table_of
from flask_billing.refunding.overpayments import (
    give_back_overpayment,
    given_back,
    note_another,
)
from flask_billing.refunding.rows import LEASE, load
from flask_billing.refunding.sending import look
from flask_billing.refunding.settling import settle
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["RefundReport", "due_count", "sweep"]


@dataclass(frozen=True)
class RefundReport:
    """How many refunds came to which end.

    :ivar settled: Came to their last state.
    :ivar waiting: Are under way still, or could not be asked for.
    :ivar given_back: Overpayments that were begun to be given back.
    :ivar errors: Went wrong in a way that nobody expected; the next sweep tries again.
    """

    settled: int = 0
    waiting: int = 0
    given_back: int = 0
    errors: int = 0

    def __add__(self, other: RefundReport) -> RefundReport:
        return RefundReport(*map(sum, zip(astuple(self), astuple(other), strict=True)))


def sweep(stop: Callable[[], bool] = lambda: False) -> RefundReport:
    """Go on with every refund that is due, of this mode and account; commits the session.

    Safe at any time and on several hosts at once. One failure does not stop the rest.

    :param stop: Asked before each of them.
    """
    require_clean()
    sync.account_id()
    ends: Counter[str] = Counter()
    while not stop() and (refund_id := _claim()) is not None:
        ends[_attempt(_go_on, refund_id)] += 1
    for invoice_id in _overpaid_ids():
        if stop():
            break
        ends[_attempt(_give_back, invoice_id)] += 1
    return RefundReport(**ends)


def due_count() -> int:
    """Return how many refunds and overpayments wait for the sweeper now; commits the session."""
    session = current().db.session
    waiting = select(func.count()).select_from(_due().subquery())
    overpaid = select(func.count()).select_from(_overpaid().subquery())
    found = (session.scalar(waiting) or 0) + (session.scalar(overpaid) or 0)
    session.commit()
    return found


def _attempt(go_on: Callable[[UUID], str], row_id: UUID) -> str:
    try:
        return go_on(row_id)
    except RefundRefused:
        # Somebody else gives back what was paid for the same invoice: the next sweep looks again.
        current().db.session.rollback()
        return "waiting"
    except GatewayError as error:
        current().db.session.rollback()
        current_app.logger.warning("Refund of %s has to wait (%s).", row_id, error.code)
        return "waiting"
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest must not suffer from it
        current().db.session.rollback()
        # Its text may hold a statement with its parameters.
        current_app.logger.warning("Refund of %s failed: %s", row_id, type(error).__name__)
        return "errors"


def _go_on(refund_id: UUID) -> str:
    given = load(refund_id)
    if given.state == "sending":
        settle(given)
    else:
        look(given)
    return "waiting" if load(refund_id).state in {"sending", "pending"} else "settled"


def _give_back(invoice_id: UUID) -> str:
    row = give_back_overpayment(invoice_id)
    if row is None:
        return "waiting"
    return "settled" if note_another(invoice_id) else "given_back"


def _due() -> Select[Any]:
    return (
        select(InvoiceRefund.id)
        .where(
            InvoiceRefund.state.in_(["sending", "pending"]),
            InvoiceRefund.next_try_at <= clock.now(),
            _of_this_key(InvoiceRefund.invoice_id),
        )
        .order_by(InvoiceRefund.next_try_at)
    )


def _of_this_key(invoice_id: SQLColumnExpression[UUID]) -> ColumnElement[bool]:
    """Return the condition that who pays an invoice belongs to the key that is set."""
    paid_by = select(BillingInfo.id).join(
        InvoiceCollection, InvoiceCollection.billing_info_id == BillingInfo.id
    )
    return paid_by.where(
        InvoiceCollection.invoice_id == invoice_id, projects.of_current_key(current())
    ).exists()


def _claim() -> UUID | None:
    """Claim the row that has been due for longest; commits the session."""
    row = table_of(InvoiceRefund)
    connection = fresh_connection()
    found: UUID | None = connection.scalar(_due().limit(1).with_for_update(skip_locked=True))
    connection.execute(update(row).where(row.c.id == found).values(next_try_at=clock.now() + LEASE))
    current().db.session.commit()
    return found


def _overpaid() -> Select[Any]:
    """Find invoices of which more was paid too much than rows say."""
    return (
        select(InvoiceCollection.invoice_id)
        .join(BillingInfo, BillingInfo.id == InvoiceCollection.billing_info_id)
        .where(
            InvoiceCollection.overpaid > 0,
            InvoiceCollection.overpaid > given_back(),
            projects.of_current_key(current()),
        )
    )


def _overpaid_ids() -> list[UUID]:
    session = current().db.session
    found = list(session.scalars(_overpaid()))
    session.commit()
    return found
