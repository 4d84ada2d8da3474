"""Turns rows and what the processor says live into what a page shows."""

from __future__ import annotations

from flask_billing.web.presenters.alerts import ShownAlert, alerts_shown
from flask_billing.web.presenters.chart import Chart, chart_of
from flask_billing.web.presenters.details import Details, details_of
from flask_billing.web.presenters.invoices import ShownInvoice, invoice_shown, invoices_shown
from flask_billing.web.presenters.lines import by_resource, lines_of, sections_of
from flask_billing.web.presenters.methods import Method, Row, methods_of, refusal_sentence, rows_of
from flask_billing.web.presenters.month import Month, month_shown, open_months
from flask_billing.web.presenters.resources import Kind, costly_names, kinds_of
from flask_billing.web.presenters.spending import running_of, spending_of
from flask_billing.web.presenters.status import Status, status_of
from flask_billing.web.presenters.sums import Sum, sums_of

__all__ = [
    "Chart",
    "Details",
    "Kind",
    "Method",
    "Month",
    "Row",
    "ShownAlert",
    "ShownInvoice",
    "Status",
    "Sum",
    "alerts_shown",
    "by_resource",
    "chart_of",
    "costly_names",
    "details_of",
    "invoice_shown",
    "invoices_shown",
    "kinds_of",
    "lines_of",
    "methods_of",
    "month_shown",
    "open_months",
    "refusal_sentence",
    "rows_of",
    "running_of",
    "sections_of",
    "spending_of",
    "status_of",
    "sums_of",
]
