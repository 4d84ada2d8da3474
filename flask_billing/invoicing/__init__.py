"""What projects owe: the running month, closed months, and what changes them."""

from flask_billing.invoicing.adjusting import adjust, adjustments_of
from flask_billing.invoicing.allowances import allow, allowances_of, end_allowance
from flask_billing.invoicing.closing import batches, close, due_count
from flask_billing.invoicing.discounts import discount, discounts_of, end_discount
from flask_billing.invoicing.due import late
from flask_billing.invoicing.invoices import (
    groups_of,
    invoice_of,
    invoices_in,
    invoices_of,
    lines_of,
)
from flask_billing.invoicing.outcomes import CloseReport
from flask_billing.invoicing.parking import PARKED_BECAUSE, Parked, parked
from flask_billing.invoicing.previewing import Preview, preview
from flask_billing.invoicing.reissuing import unissued
from flask_billing.invoicing.reporting import MonthReport, report
from flask_billing.invoicing.running import RunningMonth, running
from flask_billing.invoicing.voiding import void

__all__ = [
    "PARKED_BECAUSE",
    "CloseReport",
    "MonthReport",
    "Parked",
    "Preview",
    "RunningMonth",
    "adjust",
    "adjustments_of",
    "allow",
    "allowances_of",
    "batches",
    "close",
    "discount",
    "discounts_of",
    "due_count",
    "end_allowance",
    "end_discount",
    "groups_of",
    "invoice_of",
    "invoices_in",
    "invoices_of",
    "late",
    "lines_of",
    "parked",
    "preview",
    "report",
    "running",
    "unissued",
    "void",
]
