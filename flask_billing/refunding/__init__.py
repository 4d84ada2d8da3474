"""Gives money back: refunds, credit notes, overpayments; and knows what banks take back."""

from __future__ import annotations

from flask_billing.refunding.asking import Offer, offer, refund
from flask_billing.refunding.disputes import accept_method, observe_dispute
from flask_billing.refunding.looking import refunds_of, stuck
from flask_billing.refunding.observing import observe_credit_note, observe_refund
from flask_billing.refunding.overpayments import give_back_overpayment
from flask_billing.refunding.sweeping import RefundReport, due_count, sweep

__all__ = [
    "Offer",
    "RefundReport",
    "accept_method",
    "due_count",
    "give_back_overpayment",
    "observe_credit_note",
    "observe_dispute",
    "observe_refund",
    "offer",
    "refund",
    "refunds_of",
    "stuck",
    "sweep",
]
