"""The money rules: from what was used, and the terms, to the lines of an invoice and what is due.

Pure: the running month and closing ask the same functions, with facts that they have read.
"""

from flask_billing.pricing.days import by_day, heading_for
from flask_billing.pricing.facts import (
    AdjustmentFacts,
    AllowanceFacts,
    CreditFacts,
    DiscountFacts,
    RateFacts,
    RecordFacts,
    Terms,
    TotalFacts,
)
from flask_billing.pricing.invoice import price
from flask_billing.pricing.results import Group, Line, Priced

__all__ = [
    "AdjustmentFacts",
    "AllowanceFacts",
    "CreditFacts",
    "DiscountFacts",
    "Group",
    "Line",
    "Priced",
    "RateFacts",
    "RecordFacts",
    "Terms",
    "TotalFacts",
    "by_day",
    "heading_for",
    "price",
]
