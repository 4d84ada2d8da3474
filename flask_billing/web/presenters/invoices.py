"""Says what an invoice is for, what state it is in, and what is due."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask_billing.models import Invoice
from flask_billing.periods import Span
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.times import day, last_day, moment, period

__all__ = ["ShownInvoice", "invoice_shown", "invoices_shown"]


@dataclass(frozen=True)
class ShownInvoice:
    """An invoice in words; `usage` is what was used, `due` what is left to pay of it."""

    id: UUID
    period: str
    first: str
    last: str
    closed: str
    tone: str
    words: str
    is_void: bool
    usage: str
    due: str
    line_count: int
    lines: str


def invoices_shown(invoices: Iterable[Invoice]) -> list[ShownInvoice]:
    """Return what a list shows of invoices."""
    return [invoice_shown(invoice) for invoice in invoices]


def invoice_shown(invoice: Invoice) -> ShownInvoice:
    """Return what a page shows of an invoice."""
    span = Span(invoice.period_start, invoice.period_end)
    tone, words = _state(invoice)
    return ShownInvoice(
        id=invoice.id,
        period=period(span),
        first=day(span.start.date()),
        last=day(last_day(span)),
        closed=moment(invoice.closed_at),
        tone=tone,
        words=gettext(words),
        is_void=invoice.state == "void",
        usage=amounts.money(invoice.subtotal, invoice.currency),
        due=amounts.money(invoice.due, invoice.currency),
        line_count=invoice.line_count,
        lines=amounts.quantity(invoice.line_count),
    )


def _state(invoice: Invoice) -> tuple[str, str]:
    """Return tone and word of the state, as far as it tells what has to be paid."""
    if invoice.state == "void":
        return "bad", N_("void")
    if invoice.due:
        return "document", N_("final")
    if invoice.carried_out:
        return "document", N_("carried over")
    if invoice.waived:
        return "good", N_("waived")
    return "good", N_("nothing to pay")
