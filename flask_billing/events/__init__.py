"""Receives, stores and processes what the processor tells.

A notification is a hint that an object changed. It is stored first, by its unique id; whoever
processes it fetches the object and writes what it finds, so that duplicates, reordering and
overlapping deliveries end in the processor's truth.
"""

from __future__ import annotations

from flask_billing.events.processing import ProcessReport, process
from flask_billing.events.receiving import receive, store
from flask_billing.events.registry import Notice, register, types_wanted
from flask_billing.events.repeating import feed_in, prune, replay

__all__ = [
    "Notice",
    "ProcessReport",
    "feed_in",
    "process",
    "prune",
    "receive",
    "register",
    "replay",
    "store",
    "types_wanted",
]
