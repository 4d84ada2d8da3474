"""Says where the money of an invoice stands, in SQL and for a row alike."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, or_

from flask_billing.models import Invoice, InvoiceCollection
from flask_billing.state import current
from flask_billing.web.i18n import N_

__all__ = ["OPEN", "STANDINGS", "conditions", "of_this_mode", "standing_of"]

#: What is not over: how it is to be taken, what many are called, and what one is.
_GOING_ON = {
    "parked": ("bad", N_("Parked"), N_("parked")),
    "past_due": ("bad", N_("Past due"), N_("past due")),
    "owner": ("note", N_("Need their owner"), N_("needs its owner")),
    "waiting": ("wait", N_("Waiting"), N_("waiting")),
    "processing": ("wait", N_("At a bank"), N_("at a bank")),
    "transfer": ("wait", N_("By transfer"), N_("to be paid by transfer")),
}
#: The worst first. Every invoice is in exactly one of these.
STANDINGS = _GOING_ON | {
    "paid": ("good", N_("Paid"), N_("paid")),
    "written_off": ("plain", N_("Written off"), N_("written off")),
    "nothing": ("plain", N_("Nothing to pay"), N_("nothing to pay")),
    "void": ("plain", N_("Void"), N_("void")),
}
OPEN = frozenset(_GOING_ON)

_ENDED = {"paid": "paid", "uncollectible": "written_off"}


def conditions() -> Mapping[str, ColumnElement[bool]]:
    """Return what an invoice, joined with its collection, has to fulfil for each standing."""
    invoice, row = Invoice, InvoiceCollection
    parked = row.state == "parked"
    not_parked = or_(row.state.is_(None), row.state != "parked")
    open_ = and_(invoice.state.in_(("closed", "open")), invoice.due > 0, not_parked)
    waiting = or_(row.state.is_(None), row.state.in_(("waiting", "done")))
    return {
        "parked": and_(invoice.state != "void", parked),
        "past_due": and_(open_, row.state == "past_due"),
        "owner": and_(open_, row.state == "waiting", row.needs.is_not(None)),
        "waiting": and_(open_, waiting, row.needs.is_(None)),
        "processing": and_(open_, row.state == "processing"),
        "transfer": and_(open_, row.state == "transfer"),
        "paid": and_(invoice.state == "paid", not_parked),
        "written_off": and_(invoice.state == "uncollectible", not_parked),
        "nothing": and_(invoice.state.in_(("closed", "open")), invoice.due == 0, not_parked),
        "void": invoice.state == "void",
    }


def standing_of(invoice: Invoice) -> str:
    """Return where the money of an invoice stands: one of `STANDINGS`."""
    row = invoice.collection
    if invoice.state == "void":
        return "void"
    if row is not None and row.state == "parked":
        return "parked"
    if invoice.state in _ENDED:
        return _ENDED[invoice.state]
    if not invoice.due:
        return "nothing"
    if row is None:
        return "waiting"
    if row.state in {"past_due", "processing", "transfer"}:
        return row.state
    return "owner" if row.state == "waiting" and row.needs is not None else "waiting"


def of_this_mode() -> ColumnElement[bool]:
    """Return the condition that an invoice is of the mode of the key that is set.

    One of which nothing is collected is of either.
    """
    row = InvoiceCollection
    return or_(row.invoice_id.is_(None), row.livemode == current().settings.livemode)
