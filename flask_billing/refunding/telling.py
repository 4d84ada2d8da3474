"""Tells the host what became of money that goes back; a receiver that fails stops nothing."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app

from flask_billing import signals
from flask_billing.models import Dispute, Invoice, InvoiceRefund
from flask_billing.state import current

__all__ = ["tell_dispute", "tell_failure", "tell_parked", "tell_refund"]


def tell_refund(refund_id: UUID) -> None:
    """Tell that money goes back, or is not asked for any more."""
    _tell_of("invoice_refunded", refund_id)


def tell_failure(refund_id: UUID) -> None:
    """Tell that money which was on its way back did not arrive."""
    current_app.logger.error("Refund %s has failed: the money did not arrive.", refund_id)
    _tell_of("invoice_refund_failed", refund_id)


def tell_dispute(dispute_id: UUID) -> None:
    """Tell that a bank asks for money back, or warns that it will."""
    session = current().db.session
    dispute = session.get_one(Dispute, dispute_id)
    invoice = session.get(Invoice, dispute.invoice_id) if dispute.invoice_id else None
    _send("invoice_disputed", invoice=invoice, dispute=dispute)


def tell_parked(invoice_id: UUID, reason: str) -> None:
    """Tell that an invoice waits for somebody to look at it."""
    current_app.logger.error("Invoice %s is parked: %s.", invoice_id, reason)
    invoice = current().db.session.get_one(Invoice, invoice_id)
    _send("invoice_parked", invoice=invoice, reason=reason)


def _tell_of(name: str, refund_id: UUID) -> None:
    session = current().db.session
    row = session.get_one(InvoiceRefund, refund_id, populate_existing=True)
    _send(name, invoice=session.get_one(Invoice, row.invoice_id), refund=row)


def _send(name: str, **about: Any) -> None:
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        getattr(signals, name).send(app, **about)
    except Exception as error:  # noqa: BLE001 - whatever it is, money must not wait for it
        current().db.session.rollback()
        # Its text may hold what no log should.
        current_app.logger.warning("A receiver of %s failed: %s", name, type(error).__name__)
    else:
        # A receiver may have looked at rows.
        current().db.session.commit()
