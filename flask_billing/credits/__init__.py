"""Credit as a ledger: granted by staff or by a code, used by invoices, expired or reversed."""

from __future__ import annotations

from flask_billing.credits.codes import all_codes, end_code, make_code, redeem, written_code
from flask_billing.credits.ledger import balance, grant, left_of, of_project, reverse
from flask_billing.credits.spending import (
    Rest,
    Use,
    expire,
    give_back,
    grant_rests,
    open_credits,
    spend,
    take_back,
)

__all__ = [
    "Rest",
    "Use",
    "all_codes",
    "balance",
    "end_code",
    "expire",
    "give_back",
    "grant",
    "grant_rests",
    "left_of",
    "make_code",
    "of_project",
    "open_credits",
    "redeem",
    "reverse",
    "spend",
    "take_back",
    "written_code",
]
