"""Answers machines that watch the work: with 503 where it does not go on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import jsonify

from flask_billing.web.staff.health import health

if TYPE_CHECKING:
    from flask import Response

__all__ = ["ROUTES"]


def show_health() -> Response:
    """Answer with counts as JSON."""
    found = health()
    response = jsonify(found)
    response.status_code = 503 if found["status"] == "failing" else 200
    return response


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (("/health", "staff_health", show_health, ["GET"]),)
