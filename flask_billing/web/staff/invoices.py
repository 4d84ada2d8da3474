"""The pages of invoices for staff: what is stuck, where all of them stand, and the story of one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from flask import abort, render_template, request

from flask_billing.models import Invoice, InvoiceCollection
from flask_billing.periods import Span
from flask_billing.web import amounts
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.staff import invoice_listing, words
from flask_billing.web.staff.deeds import deeds_for
from flask_billing.web.staff.invoice_filters import InvoiceFilters
from flask_billing.web.staff.listing import COUNTED
from flask_billing.web.staff.presenting import Tally
from flask_billing.web.staff.project_names import names_of
from flask_billing.web.staff.standings import STANDINGS, standing_of
from flask_billing.web.staff.stuck import groups_of, stuck_of_money
from flask_billing.web.staff.timeline import story_of
from flask_billing.web.staff.unfinished import unfinished
from flask_billing.web.times import distance, moment, period

__all__ = ["ROUTES", "InvoiceRow", "shown"]


@dataclass(frozen=True)
class InvoiceRow:
    """An invoice as staff see it.

    :ivar why: Why it is parked or what it needs, in words.
    :ivar codes: What there are no words for, and what Stripe answered last.
    """

    invoice: Invoice
    standing: str
    tone: str
    word: str
    why: str
    codes: str
    period: str
    amount: str


def list_invoices() -> str:
    """Show what is stuck, how many invoices stand where, and those that are looked for."""
    filters = InvoiceFilters.from_args(request.args)
    # What is stuck is read in transactions of its own, so before any row that is shown.
    groups = groups_of(stuck_of_money(), unfinished())
    page = invoice_listing.page_of(
        filters, newer=request.args.get("newer", ""), older=request.args.get("older", "")
    )
    return render_template(
        "billing/staff/invoices.html",
        groups=groups,
        tallies=list(_tallies()),
        filters=filters,
        standings={name: many for name, (_, many, _) in STANDINGS.items()},
        rows=[shown(invoice) for invoice in page.rows],
        names=names_of(
            [
                *(invoice.project_key for invoice in page.rows),
                *(item.project_key for group in groups for item in group.items),
            ]
        ),
        page=page,
        moment=moment,
        distance=distance,
    )


def show_invoice(invoice_id: UUID) -> str:
    """Show what happened to one invoice, and what can be done with it."""
    invoice = invoice_listing.find(invoice_id)
    if invoice is None:
        abort(404)
    return render_template(
        "billing/staff/invoice.html",
        row=shown(invoice),
        names=names_of([invoice.project_key]),
        story=story_of(invoice),
        sums=list(_sums(invoice)),
        deeds=deeds_for(invoice),
        moment=moment,
        distance=distance,
    )


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("/invoices", "staff_invoices", list_invoices, ["GET"]),
    ("/invoices/<uuid:invoice_id>", "staff_invoice", show_invoice, ["GET"]),
)


def shown(invoice: Invoice) -> InvoiceRow:
    """Return how an invoice is to be shown."""
    row = invoice.collection
    standing = standing_of(invoice)
    tone, _, word = STANDINGS[standing]
    total = row.total if row is not None else None
    return InvoiceRow(
        invoice=invoice,
        standing=standing,
        tone=tone,
        word=gettext(word),
        why=_why(standing, row),
        codes=" ".join(_codes(standing, row)) if row is not None else "",
        period=period(Span(invoice.period_start, invoice.period_end)),
        amount=amounts.money(invoice.due if total is None else total, invoice.currency),
    )


def _why(standing: str, row: InvoiceCollection | None) -> str:
    if row is None:
        return ""
    if standing == "parked":
        return words.of_parking(row.reason)
    return words.of_needs(row.needs) if row.needs is not None else ""


def _codes(standing: str, row: InvoiceCollection) -> Iterator[str]:
    if standing == "parked" and row.reason is not None and not words.of_parking(row.reason):
        yield row.reason
    if row.error_code is not None:
        yield row.error_code


def _tallies() -> Iterator[Tally]:
    counted = invoice_listing.counts()
    for name, (_, many, _) in STANDINGS.items():
        number = amounts.quantity(min(counted[name], COUNTED))
        yield Tally(name, gettext(many), f"{number}+" if counted[name] > COUNTED else number)


def _sums(invoice: Invoice) -> Iterator[tuple[str, str]]:
    """Yield what Stripe says of the money, as far as it is known."""
    row, currency = invoice.collection, invoice.currency
    if row is None or row.total is None:
        return
    yield gettext("Total with tax"), amounts.money(row.total, currency)
    known = {
        N_("Tax"): row.tax,
        N_("Paid"): row.paid,
        N_("Taken off by credit notes"): row.credited,
        N_("Paid too much"): row.overpaid,
    }
    for name, amount in known.items():
        if amount:
            yield gettext(name), amounts.money(amount, currency)
    if invoice.state != "void":
        yield gettext("Left to pay"), amounts.money(row.remaining or 0, currency)
