"""Tells of every turn: notes it for people within the transaction, and sends signals after it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask import current_app
from sqlalchemy import Connection

from flask_billing import notifying, signals
from flask_billing.collecting.known import Known
from flask_billing.models import Invoice, PaymentAttempt
from flask_billing.state import current

__all__ = ["note", "tell", "tell_failure"]


def note(
    connection: Connection,
    kind: str,
    known: Known,
    *,
    turn: str = "",
    amount: int | None = None,
    method_id: UUID | None = None,
) -> None:
    """Have the people of an invoice told, once for each `turn`, if the transaction is committed."""
    notifying.note(
        connection,
        kind,
        ":".join(filter(None, (kind, str(known.invoice_id), turn))),
        project_key=known.project_key,
        invoice_id=known.invoice_id,
        payment_method_id=method_id,
        billing_info_id=known.info_id,
        amount=amount,
        currency=known.currency,
    )


def tell(name: str, invoice_id: UUID, **about: Any) -> None:
    """Send a signal about an invoice; a receiver that fails keeps nobody from paying."""
    if getattr(signals, name).receivers:
        _send(name, invoice_id, about)


def tell_failure(invoice_id: UUID, attempt_id: UUID) -> None:
    """Send the signal that no method could be charged, with the last attempt."""
    if signals.invoice_payment_failed.receivers:
        attempt = current().db.session.get_one(PaymentAttempt, attempt_id, populate_existing=True)
        _send("invoice_payment_failed", invoice_id, {"attempt": attempt})


def _send(name: str, invoice_id: UUID, about: dict[str, Any]) -> None:
    session = current().db.session
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    try:
        invoice = session.get_one(Invoice, invoice_id, populate_existing=True)
        getattr(signals, name).send(app, invoice=invoice, **about)
        # A receiver may have looked at rows, or left some behind.
        session.commit()
    except Exception as error:  # noqa: BLE001 - whatever it is, money must not wait for it
        session.rollback()
        # Its text may hold what no log should.
        current_app.logger.warning("A receiver of %s failed: %s", name, type(error).__name__)
