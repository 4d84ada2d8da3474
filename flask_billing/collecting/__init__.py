"""Brings in the money of closed invoices: issues them, charges them, and goes after what failed."""

from flask_billing.collecting.choosing import MOST_DECLINES
from flask_billing.collecting.collecting import collect, due_count, due_keys, mend
from flask_billing.collecting.looking import PlannedCharge, Stuck, preview, stuck
from flask_billing.collecting.observing import observe
from flask_billing.collecting.outcomes import CollectReport
from flask_billing.collecting.owner import document, page_for_owner, pay_now
from flask_billing.collecting.parked import settle_parked
from flask_billing.collecting.staff import retry, set_terms, unpark, void, write_off

__all__ = [
    "MOST_DECLINES",
    "CollectReport",
    "PlannedCharge",
    "Stuck",
    "collect",
    "document",
    "due_count",
    "due_keys",
    "mend",
    "observe",
    "page_for_owner",
    "pay_now",
    "preview",
    "retry",
    "set_terms",
    "settle_parked",
    "stuck",
    "unpark",
    "void",
    "write_off",
]
