"""The invoices of a project: all of them, and one with its lines, totals and payments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import abort, render_template, request, url_for

from flask_billing import invoicing, projects
from flask_billing.models import Invoice, InvoiceLine
from flask_billing.periods import Span, name_of
from flask_billing.web import amounts, downloads, presenters
from flask_billing.web.access import can_manage, project_of
from flask_billing.web.forms import ActionForm
from flask_billing.web.looking import Look, look_at
from flask_billing.web.safe_next import local_path

if TYPE_CHECKING:
    from flask import Response

    from flask_billing.web.presenters import Progress

__all__ = ["ROUTES"]

_INVOICES = 24
_LINES = 50


def invoices(project_id: Any) -> str:
    """Show all invoices, the latest first."""
    project = project_of(project_id)
    key = projects.key_of(project)
    before = _before(key)
    found = invoicing.invoices_of(key, before=before, limit=_INVOICES + 1)
    shown = found[:_INVOICES]
    older = shown[-1].id if len(found) > _INVOICES else None
    here = url_for("billing.invoices", project_id=project_id)
    return render_template(
        "billing/invoices.html",
        project=project,
        project_id=project_id,
        invoices=presenters.invoices_shown(shown),
        can_manage=can_manage(project),
        newer=here if before is not None else None,
        older=f"{here}?before={older}" if older else None,
    )


def invoice(project_id: Any, invoice_id: UUID) -> str:
    """Show an invoice: how far its money is, grouped, then line by line, some at a time."""
    project = project_of(project_id)
    key, after = projects.key_of(project), _position()
    invoicing.invoice_of(key, invoice_id)
    look = look_at(presenters.progress_of(invoice_id).collection, project)
    # Rows are read after the calls: what the processor said may just have been written into them.
    progress = presenters.progress_of(invoice_id)
    found = progress.invoice
    lines = invoicing.lines_of(found, after, _LINES)
    if after and not lines:
        abort(404)
    whole = Span(found.period_start, found.period_end)
    groups = invoicing.groups_of(found)
    sections = presenters.sections_of(groups, found.currency)
    return render_template(
        "billing/invoice.html",
        project=project,
        project_id=project_id,
        form=ActionForm(),
        can_manage=can_manage(project),
        currency=found.currency.upper(),
        invoice=presenters.invoice_shown(progress),
        next=local_path(request.args.get("next")),
        document=look.document,
        missing=look.missing,
        sections=sections,
        cap_note=presenters.cap_note((section.minutes for section in sections), whole),
        sum_rows=presenters.sums_of(found, groups, found.currency, is_final=True),
        settled_rows=presenters.settled_of(progress.collection, found.currency),
        rows=presenters.lines_of(lines, project, whole, found.currency),
        **_payments(progress, look, project),
        **_places(found, lines, after, project_id),
    )


def invoice_csv(project_id: Any, invoice_id: UUID) -> Response:
    """Send the lines of an invoice as a file."""
    project = project_of(project_id)
    found = invoicing.invoice_of(projects.key_of(project), invoice_id)
    state = "void" if found.state == "void" else "final"
    name = f"invoice-{name_of(Span(found.period_start, found.period_end))}"
    name += "-void" if state == "void" else ""
    return downloads.send(_batches(found), name, found.currency, state)


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("/invoices", "invoices", invoices, ["GET"]),
    ("/invoices/<uuid:invoice_id>", "invoice", invoice, ["GET"]),
    ("/invoices/<uuid:invoice_id>.csv", "invoice_csv", invoice_csv, ["GET"]),
)


def _before(project_key: str) -> Invoice | None:
    """Return the invoice that the page begins behind; `None` for the first page."""
    text = request.args.get("before")
    if text is None:
        return None
    try:
        return invoicing.invoice_of(project_key, UUID(text))
    except ValueError:
        abort(404)


def _position() -> int:
    """Return the position of the line that the page begins behind."""
    text = request.args.get("after", "0")
    if not text.isascii() or not text.isdecimal() or len(text) > 9:
        abort(404)
    return int(text)


def _payments(progress: Progress, look: Look, project: Any) -> dict[str, Any]:
    """Return what was tried and given back, and what the invoice can be paid with."""
    if progress.collection is None:
        return {"choices": [], "tries": [], "refunds": []}
    attempts = presenters.attempts_of(progress.invoice.id)
    payments = presenters.payments_of(progress.invoice.id)
    return {
        "choices": _choices(progress, look, project, presenters.declined_since_changed(attempts)),
        "tries": presenters.tries_shown(attempts, payments, look.live),
        "refunds": presenters.refunds_shown(progress.invoice.id),
    }


def _choices(
    progress: Progress, look: Look, project: Any, declined: set[UUID]
) -> list[presenters.Choice]:
    """Return the payment methods of who pays the invoice, unless the project left them since."""
    collection = progress.collection
    if collection is None or not progress.can_be_paid:
        return []
    methods = projects.payment_methods_of(project)
    if any(method.billing_info_id != collection.billing_info_id for method in methods):
        return []
    rows = presenters.rows_of(methods)
    return presenters.choices_of(presenters.methods_of(rows, look.live, kept={}), declined)


def _places(
    found: Invoice, lines: Sequence[InvoiceLine], after: int, project_id: Any
) -> dict[str, Any]:
    """Return which lines these are, and what leads to those beside them."""
    here = url_for("billing.invoice", project_id=project_id, invoice_id=found.id)
    last = lines[-1].position if lines else after
    earlier = max(0, after - _LINES)
    return {
        "first_line": amounts.quantity(lines[0].position if lines else after),
        "last_line": amounts.quantity(last),
        "earlier": f"{here}?after={earlier}#billing-lines" if after else None,
        "later": f"{here}?after={last}#billing-lines" if last < found.line_count else None,
    }


def _batches(found: Invoice) -> Iterator[Sequence[InvoiceLine]]:
    after = 0
    while lines := invoicing.lines_of(found, after, downloads.BATCH):
        yield lines
        after = lines[-1].position
