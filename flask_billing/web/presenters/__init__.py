"""Turns rows and what the processor says live into what a page shows."""

from __future__ import annotations

from flask_billing.web.presenters.alerts import ShownAlert, alerts_shown
from flask_billing.web.presenters.caps import cap_note
from flask_billing.web.presenters.chart import Chart, chart_of
from flask_billing.web.presenters.choices import Choice, choices_of
from flask_billing.web.presenters.details import Details, details_of
from flask_billing.web.presenters.invoices import ShownInvoice, invoice_shown, invoices_shown
from flask_billing.web.presenters.lines import by_resource, lines_of, sections_of
from flask_billing.web.presenters.methods import Method, Row, methods_of, refusal_sentence, rows_of
from flask_billing.web.presenters.month import Month, month_shown, open_months
from flask_billing.web.presenters.progress import Progress, progress_of, waits_for_address
from flask_billing.web.presenters.refunds import ShownRefund, refunds_shown
from flask_billing.web.presenters.resources import Kind, costly_names, kinds_of
from flask_billing.web.presenters.spending import running_of, spending_of
from flask_billing.web.presenters.status import Status, status_of
from flask_billing.web.presenters.sums import Sum, settled_of, sums_of
from flask_billing.web.presenters.tries import (
    Try,
    attempts_of,
    declined_since_changed,
    payments_of,
    tries_shown,
)

__all__ = [
    "Chart",
    "Choice",
    "Details",
    "Kind",
    "Method",
    "Month",
    "Progress",
    "Row",
    "ShownAlert",
    "ShownInvoice",
    "ShownRefund",
    "Status",
    "Sum",
    "Try",
    "alerts_shown",
    "attempts_of",
    "by_resource",
    "cap_note",
    "chart_of",
    "choices_of",
    "costly_names",
    "declined_since_changed",
    "details_of",
    "invoice_shown",
    "invoices_shown",
    "kinds_of",
    "lines_of",
    "methods_of",
    "month_shown",
    "open_months",
    "payments_of",
    "progress_of",
    "refunds_shown",
    "refusal_sentence",
    "rows_of",
    "running_of",
    "sections_of",
    "settled_of",
    "spending_of",
    "status_of",
    "sums_of",
    "tries_shown",
    "waits_for_address",
]
