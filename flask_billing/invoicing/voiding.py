"""Makes an invoice void: gives back what it took, and frees its period for another."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from flask_billing import clock, credits, projects, signals, signing
from flask_billing.errors import CorrectionRefused
from flask_billing.invoicing import reissuing
from flask_billing.invoicing.outcomes import send
from flask_billing.models import (
    Adjustment,
    BilledProjectRow,
    Invoice,
    InvoiceCollection,
    table_of,
)
from flask_billing.periods import Span, name_of
from flask_billing.state import current
from flask_billing.transactions import begin_for

__all__ = ["void"]

#: What the processor says of an invoice that nobody can pay.
_GONE = ("void", "deleted")
#: What an invoice that nobody collects any more has not.
_LEFT = (
    *("reason", "needs", "next_try_at", "retry_at", "owner_until"),
    *("claimed_by", "claimed_until", "error_code"),
)


def void(
    invoice_id: UUID,
    *,
    reason: str,
    made_by: str | None = None,
    reissue: bool = True,
    dry_run: bool = False,
) -> Invoice:
    """Make an invoice void; commits the session.

    The credit that it used is given back, its adjustments wait for another invoice, and its period
    can be closed once more: ``close(month, project_key)``. Until it is, the project is parked, so
    that no later month takes what was given back.

    :param reason: One word, such as ``"wrong_resource"``.
    :param made_by: The host's id of who does it.
    :param reissue: Whether it is to be closed once more; else later months go on, and take it.
    :param dry_run: Only look whether it could be made void.
    :raises CorrectionRefused: It is void already, it is paid or can still be paid at the processor,
        or a later invoice, or somebody, has used what came of it.
    :raises LookupError: There is no such invoice.
    :raises ValueError: `reason` or `made_by` can't be meant.
    """
    signing.check(reason, made_by)
    session = current().db.session
    found = session.get(Invoice, invoice_id)
    if found is None:
        raise LookupError(f"There is no invoice {invoice_id}.")
    connection = begin_for(found.project_key)
    try:
        session.refresh(found)
        _refuse(connection, found)
        _stop_collecting(connection, found)
        _give_back(connection, found, reason, made_by)
        if reissue:
            reissuing.expect(connection, found.project_key)
        if dry_run:
            session.rollback()
            return found
        found.state = "void"
        found.live_marker = None
        found.voided_at = clock.now()
        found.void_reason = reason
        found.voided_by = made_by
        session.commit()
    except BaseException:
        session.rollback()
        raise
    send(signals.invoice_voided, invoice=found)
    return found


def _refuse(connection: Connection, invoice: Invoice) -> None:
    if invoice.live_marker is None:
        raise CorrectionRefused(f"The invoice {invoice.id} is void already.")
    if invoice.state == "paid":
        raise CorrectionRefused(f"The invoice {invoice.id} is paid. Refund it instead.")
    if not invoice.carried_out:
        return
    later = connection.execute(
        select(Invoice.id, Invoice.period_start, Invoice.period_end)
        .where(
            Invoice.project_key == invoice.project_key,
            Invoice.live_marker == 1,
            Invoice.carried_in > 0,
            Invoice.period_start >= invoice.period_end,
        )
        .order_by(Invoice.period_start.desc())
        .limit(1)
    ).one_or_none()
    if later is not None:
        month = name_of(Span(later.period_start, later.period_end))
        raise CorrectionRefused(
            f"The invoice {later.id} of {month} has what this one carried over. Make that one void "
            "first."
        )


def _stop_collecting(connection: Connection, invoice: Invoice) -> None:
    """See to it that nobody asks for the money any more; whoever was about to loses the claim.

    The project's lock is held, so that an invoice that was past due stops it no longer either.
    """
    collection = table_of(InvoiceCollection)
    is_its = collection.c.invoice_id == invoice.id
    told = select(collection.c.stripe_id, collection.c.remote_state).where(is_its)
    row = connection.execute(told.with_for_update()).one_or_none()
    if row is None:
        return
    if row.stripe_id is not None and row.remote_state not in _GONE:
        raise CorrectionRefused(
            f"The invoice {invoice.id} can still be paid at the processor. Make it void there "
            "first."
        )
    over: dict[str, Any] = {"state": "done", "state_since": clock.now(), "failures": 0}
    connection.execute(update(collection).where(is_its).values(over | dict.fromkeys(_LEFT)))
    projects.clear_past_due(connection, invoice.project_key)


def _give_back(connection: Connection, invoice: Invoice, reason: str, made_by: str | None) -> None:
    """Undo what the invoice did beside itself, under the lock of the project's row."""
    if not credits.take_back(connection, invoice.id, reason=reason, made_by=made_by):
        raise CorrectionRefused(
            "The credit that came of this invoice is used already. Make the invoices void that "
            "used it first."
        )
    credits.give_back(connection, invoice.id, reason=reason, made_by=made_by)
    adjustment, row = table_of(Adjustment), table_of(BilledProjectRow)
    connection.execute(
        update(adjustment).where(adjustment.c.invoice_id == invoice.id).values(invoice_id=None)
    )
    connection.execute(
        update(row)
        .where(row.c.project_key == invoice.project_key)
        .values(carried=row.c.carried - invoice.carried_out + invoice.carried_in)
    )
