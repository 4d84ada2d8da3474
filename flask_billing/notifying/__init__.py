"""Tells people what happened: an outbox that is written with the happening, and delivered once."""

from __future__ import annotations

from flask_billing.notifying.concerns import Concern, concerns_of_rows, concerns_of_setup
from flask_billing.notifying.delivering import DeliverReport, deliver
from flask_billing.notifying.facts import Facts
from flask_billing.notifying.kinds import KINDS
from flask_billing.notifying.log import LogNotifier
from flask_billing.notifying.noting import note

__all__ = [
    "KINDS",
    "Concern",
    "DeliverReport",
    "Facts",
    "LogNotifier",
    "concerns_of_rows",
    "concerns_of_setup",
    "deliver",
    "note",
]
