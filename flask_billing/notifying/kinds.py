"""The names of what is told, and to whom."""

from __future__ import annotations

__all__ = ["BILLING", "KINDS", "MEMBERS", "ROLES"]

KINDS = (
    "receipt",
    "payment_failed",
    "action_required",
    "past_due",
    "method_expiring",
    "spending_alert",
)

#: The project's people, as the host knows them.
MEMBERS = "members"
#: The billing e-mail at the processor.
BILLING = "billing"
#: In the order of delivery: the billing e-mail is left out where it belongs to a member.
ROLES = (MEMBERS, BILLING)
