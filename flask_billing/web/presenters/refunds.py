"""Says what of an invoice was given back, or is not asked for any more."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select

from flask_billing.models import InvoiceRefund
from flask_billing.state import current
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.times import day

__all__ = ["ShownRefund", "refunds_shown"]

_KINDS = {
    "refund": N_("Given back to where it was paid from"),
    "credit": N_("Taken off what is to be paid"),
    "overpayment": N_("Paid twice: given back"),
}
_STATES = {
    "sending": ("wait", N_("being made")),
    "pending": ("wait", N_("on its way")),
    "requires_action": ("wait", N_("on its way")),
    "succeeded": ("good", N_("done")),
    "failed": ("bad", N_("did not arrive: ask the support of this site")),
    "canceled": ("bad", N_("did not arrive: ask the support of this site")),
}


@dataclass(frozen=True)
class ShownRefund:
    """Money that goes back, in words."""

    at: str
    what: str
    amount: str
    tone: str
    words: str


def refunds_shown(invoice_id: UUID) -> list[ShownRefund]:
    """Return what was given back of an invoice, the latest first; not what was refused."""
    query = (
        select(InvoiceRefund)
        .where(InvoiceRefund.invoice_id == invoice_id, InvoiceRefund.state.in_(tuple(_STATES)))
        .order_by(InvoiceRefund.id.desc())
        .execution_options(populate_existing=True)
    )
    return [_shown(refund) for refund in current().db.session.scalars(query)]


def _shown(refund: InvoiceRefund) -> ShownRefund:
    tone, words = _STATES[refund.state]
    return ShownRefund(
        at=day(refund.created_at.date()),
        what=gettext(_KINDS.get(refund.kind, _KINDS["refund"])),
        amount=amounts.money(refund.amount, refund.currency),
        tone=tone,
        words=gettext(words),
    )
