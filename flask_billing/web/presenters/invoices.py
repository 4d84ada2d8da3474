"""Says what an invoice is for, how far its money is, and what its owner can do about it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from flask_billing.models import Invoice
from flask_billing.periods import Span
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.presenters.progress import Progress, progress_of_all
from flask_billing.web.times import day, last_day, moment, period

__all__ = ["ShownInvoice", "invoice_shown", "invoices_shown"]

#: How each situation is to be taken, and what it is called.
_SITUATIONS = {
    "void": ("bad", N_("void")),
    "paid": ("good", N_("paid")),
    "written_off": ("plain", N_("written off")),
    "carried": ("document", N_("carried over")),
    "waived": ("good", N_("waived")),
    "nothing": ("good", N_("nothing to pay")),
    "due": ("wait", N_("not charged yet")),
    "checking": ("wait", N_("payment is being checked")),
    "processing": ("wait", N_("payment is on its way")),
    "parked": ("wait", N_("is being looked into")),
    "transfer": ("wait", N_("to be paid by transfer")),
    "past_due": ("bad", N_("past due")),
    "confirmation": ("note", N_("needs your confirmation")),
    "payment_method": ("note", N_("needs a payment method")),
    "address": ("note", N_("needs your address")),
    "unpaid": ("bad", N_("could not be charged")),
}
#: What is to be done where nothing can be done but to wait, or what only its owner can do.
_EXPLANATIONS = {
    "void": N_("This invoice is void: nothing has to be paid for it."),
    "written_off": N_("This invoice is not asked for any more. There is nothing to do."),
    "due": N_("It will be charged by itself. There is nothing to do."),
    "checking": N_(
        "We are checking with Stripe whether the last payment went through. Nobody is charged "
        "twice, and there is nothing to do."
    ),
    "processing": N_(
        "The payment is on its way. That takes a bank some days, and there is nothing more to do."
    ),
    "parked": N_(
        "The people who run this site have to look into this invoice. Nothing is charged meanwhile."
    ),
    "past_due": N_("It could not be charged, and nothing more is tried by itself. Pay it now."),
    "confirmation": N_(
        "Your bank wanted you to confirm a payment, and nothing was charged. Pay it on Stripe's "
        "page: there you can confirm what your bank asks for."
    ),
    "payment_method": N_(
        "No saved payment method can be charged. Add one, and the invoice is paid with it."
    ),
    "address": N_(
        "Tax can't be worked out without your whole address. Complete your billing details, and "
        "the invoice goes on by itself."
    ),
    "unpaid": N_("It could not be charged."),
}
_UNKNOWN = ("wait", N_("waiting"))


@dataclass(frozen=True)
class ShownInvoice:
    """An invoice in words.

    :ivar explanation: What the state means; empty where its name says it all.
    :ivar until: The day until which its owner has to do something, if there is one.
    :ivar again: The day on which it is tried again by itself, if that is planned.
    :ivar needs: What only its owner can give: `payment_method`, `confirmation` or `address`.
    :ivar to_pay: What is still to be paid, in words; `minor_units` of it.
    """

    id: UUID
    period: str
    first: str
    last: str
    closed: str
    tone: str
    words: str
    explanation: str
    is_void: bool
    amount: str
    is_before_tax: bool
    line_count: int
    lines: str
    until: str
    again: str
    paid: str
    needs: str | None
    can_be_paid: bool
    to_pay: str
    minor_units: int


def invoices_shown(invoices: Iterable[Invoice]) -> list[ShownInvoice]:
    """Return what a list shows of invoices, with one statement for all of them."""
    return [invoice_shown(progress) for progress in progress_of_all(invoices)]


def invoice_shown(progress: Progress) -> ShownInvoice:
    """Return what a page shows of an invoice."""
    invoice, collection = progress.invoice, progress.collection
    span = Span(invoice.period_start, invoice.period_end)
    tone, words = _SITUATIONS.get(progress.situation, _UNKNOWN)
    total = collection.total if collection is not None else None
    retry_at = collection.retry_at if collection is not None else None
    return ShownInvoice(
        id=invoice.id,
        period=period(span),
        first=day(span.start.date()),
        last=day(last_day(span)),
        closed=moment(invoice.closed_at),
        tone=tone,
        words=gettext(words),
        explanation=_explanation(progress),
        is_void=invoice.state == "void",
        amount=amounts.money(invoice.due if total is None else total, invoice.currency),
        is_before_tax=total is None and invoice.due > 0,
        line_count=invoice.line_count,
        lines=amounts.quantity(invoice.line_count),
        until=_day(progress.until),
        again=_day(retry_at) if progress.situation == "unpaid" else "",
        paid=_day(collection.paid_at if collection is not None else None),
        needs=progress.needs,
        can_be_paid=progress.can_be_paid,
        to_pay=amounts.money(progress.to_pay, invoice.currency),
        minor_units=progress.to_pay,
    )


def _explanation(progress: Progress) -> str:
    situation = progress.situation
    if situation == "transfer":
        return _about_transfer(progress)
    if situation == "void" and progress.invoice.credit_used:
        return gettext(
            "This invoice is void: nothing has to be paid for it. What it took from your credit "
            "was given back."
        )
    if situation == "past_due" and progress.needs is not None:
        situation = progress.needs
    words = _EXPLANATIONS.get(situation)
    return gettext(words) if words else ""


def _about_transfer(progress: Progress) -> str:
    if progress.until is None:
        return gettext("It is paid by transfer. Where to is on the invoice at Stripe.")
    return gettext(
        "It is paid by transfer, by %(day)s. Where to is on the invoice at Stripe.",
        day=_day(progress.until),
    )


def _day(at: datetime | None) -> str:
    return day(at.astimezone(UTC).date()) if at is not None else ""
