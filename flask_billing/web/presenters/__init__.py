"""Turns rows and what the processor says live into what a page shows."""

from __future__ import annotations

from flask_billing.web.presenters.details import Details, details_of
from flask_billing.web.presenters.methods import Method, Row, methods_of, refusal_sentence, rows_of
from flask_billing.web.presenters.resources import Kind, costly_names, kinds_of
from flask_billing.web.presenters.status import Status, status_of

__all__ = [
    "Details",
    "Kind",
    "Method",
    "Row",
    "Status",
    "costly_names",
    "details_of",
    "kinds_of",
    "methods_of",
    "refusal_sentence",
    "rows_of",
    "status_of",
]
