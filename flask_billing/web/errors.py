"""Answers what the guard and the settings refuse: a page for people, a problem for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import flash, jsonify, make_response, redirect, render_template, request, url_for

from flask_billing.errors import PaymentOverdue, SpendingLimitReached
from flask_billing.web import addresses, rendering
from flask_billing.web.i18n import gettext
from flask_billing.web.safe_next import here

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

    from flask_billing.errors import BillingDisabled, PaymentMethodRequired

__all__ = [
    "LIMIT_TYPE",
    "OVERDUE_TYPE",
    "PROBLEM_TYPE",
    "handle_billing_disabled",
    "handle_payment_method_required",
]

#: Name the refusals for programs; they never change.
PROBLEM_TYPE = "urn:flask-billing:payment-method-required"
LIMIT_TYPE = "urn:flask-billing:spending-limit-reached"
OVERDUE_TYPE = "urn:flask-billing:payment-overdue"

_PAGE = "text/html"
_JSON = ("application/json", "application/problem+json")


def handle_payment_method_required(error: PaymentMethodRequired) -> BaseResponse:
    """Answer a refusal of the guard.

    A program gets 402 with a problem document (RFC 9457). A person is sent to the billing page,
    with a way back to what they were doing; where the project isn't known, there is a plain page.
    """
    if _asks_for_json():
        return _problem(error)
    if error.project_key is None:
        return error.get_response()
    flash(_sentence(error), "warning")
    address = url_for("billing.index", project_id=error.project_key, next=here())
    return redirect(address, 303)


def handle_billing_disabled(_error: BillingDisabled) -> Response:
    """Say that billing is off, in the host's own layout."""
    return make_response(render_template("billing/off.html"), 501)


def _asks_for_json() -> bool:
    best = request.accept_mimetypes.best_match([_PAGE, *_JSON])
    return request.is_json or best in _JSON


def _sentence(error: PaymentMethodRequired) -> str:
    if isinstance(error, PaymentOverdue):
        return gettext(
            "An invoice of this project could not be paid. Nothing that costs money can be created "
            "until it is."
        )
    if isinstance(error, SpendingLimitReached):
        return gettext(
            "A spending limit of this project is reached, so nothing that costs money can be "
            "created until the month is over."
        )
    if error.resource is None:
        return gettext("Add a payment method to go on.")
    return gettext(
        "This %(resource)s needs a payment method before it can be created.",
        resource=error.resource,
    )


def _kind(error: PaymentMethodRequired) -> tuple[str, str]:
    """Return the type and the title of a refusal."""
    if isinstance(error, PaymentOverdue):
        return OVERDUE_TYPE, gettext("An invoice is past due")
    if isinstance(error, SpendingLimitReached):
        return LIMIT_TYPE, gettext("A spending limit is reached")
    return PROBLEM_TYPE, gettext("A payment method is required")


def _problem(error: PaymentMethodRequired) -> Response:
    kind, title = _kind(error)
    problem = {
        "type": kind,
        "title": title,
        "status": 402,
        "detail": _sentence(error),
        "resource": error.resource,
    }
    if error.project_key is not None:
        problem["billing_url"] = addresses.absolute_or_path(
            "billing.index", project_id=error.project_key
        )
    response = jsonify(problem)
    response.status_code = 402
    response.content_type = "application/problem+json"
    return rendering.keep_private(response)
