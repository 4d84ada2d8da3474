"""What closing came to: for whoever started it, and as signals for the host."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, field
from typing import Any
from uuid import UUID

from blinker import Signal
from flask import current_app
from sqlalchemy import select

from flask_billing import signals
from flask_billing.invoicing.due import OpenProject
from flask_billing.models import Invoice
from flask_billing.state import current

__all__ = ["CloseReport", "Outcome", "send", "tell"]


@dataclass(frozen=True)
class CloseReport:
    """How many periods were closed, with how many invoices, and how many projects are parked.

    :ivar busy: How often a project was waited for in vain, because a transaction of the host's
        was project for too long; the next run closes it.
    """

    closed: int = 0
    invoiced: int = 0
    parked: int = 0
    busy: int = 0

    def __add__(self, other: CloseReport) -> CloseReport:
        return CloseReport(*map(sum, zip(astuple(self), astuple(other), strict=True)))


@dataclass(frozen=True)
class Outcome:
    """What one transaction did."""

    closed: int = 0
    invoice_ids: list[UUID] = field(default_factory=list)
    parked: list[tuple[OpenProject, str]] = field(default_factory=list)

    def report(self) -> CloseReport:
        return CloseReport(self.closed, len(self.invoice_ids), len(self.parked))


def tell(outcome: Outcome) -> None:
    """Send the signals of a transaction that is committed.

    A receiver that raises is logged: it must not keep the other projects from being closed.
    """
    for project, reason in outcome.parked:
        _try(
            "closing_parked",
            project_key=project.key,
            period=project.period,
            reason=reason,
        )
    if signals.invoice_closed.receivers and outcome.invoice_ids:
        for invoice in _invoices(outcome.invoice_ids):
            _try("invoice_closed", invoice=invoice)


def send(signal: Signal, **about: Any) -> None:
    """Send a signal as every room does: from the app itself."""
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    signal.send(app, **about)


def _try(name: str, **about: Any) -> None:
    try:
        send(getattr(signals, name), **about)
    except Exception as error:  # noqa: BLE001 - whatever it is, the rest must not suffer from it
        current().db.session.rollback()
        # Its text may hold what no log should.
        current_app.logger.warning("A receiver of %s failed: %s", name, type(error).__name__)


def _invoices(invoice_ids: Iterable[UUID]) -> list[Invoice]:
    query = select(Invoice).where(Invoice.id.in_(invoice_ids)).order_by(Invoice.project_key)
    return list(current().db.session.scalars(query))
