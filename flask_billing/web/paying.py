"""Pays an invoice at once: with a payment method that its owner chooses, or on Stripe's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import abort, current_app, flash, redirect, request, url_for

from flask_billing import collecting, invoicing, projects
from flask_billing.errors import CollectingRefused, GatewayError, GatewayUnavailable
from flask_billing.models import PaymentAttempt, PaymentMethod
from flask_billing.state import current
from flask_billing.web import presenters
from flask_billing.web.access import actor_id, project_of
from flask_billing.web.forms import ActionForm
from flask_billing.web.i18n import N_, gettext
from flask_billing.web.safe_next import local_path

if TYPE_CHECKING:
    from werkzeug.wrappers import Response as BaseResponse

    from flask_billing.web.presenters import Progress

__all__ = ["ROUTES"]

_PAID_ALREADY = N_("This invoice is paid already. Nothing more was charged.")
#: What to tell of a try, by its state, and how important that is.
_OUTCOMES = {
    "succeeded": (N_("The invoice is paid."), "success"),
    "processing": (
        N_(
            "Your payment is on its way. That takes a bank some days, and there is nothing more to "
            "do."
        ),
        "success",
    ),
    "declined": (
        N_(
            "Your bank declined the payment, so nothing was charged. Choose another payment "
            "method, or pay on Stripe's page."
        ),
        "warning",
    ),
    "needs_action": (
        N_(
            "Your bank wants you to confirm this payment, and nothing was charged yet. Pay on "
            "Stripe's page, where you can confirm it."
        ),
        "warning",
    ),
    "sending": (
        N_(
            "Stripe has not said yet whether the payment went through. We are checking: nobody is "
            "charged twice, and there is nothing to do."
        ),
        "warning",
    ),
}
_NOT_EXECUTED = (
    N_("Nothing was charged. Choose another payment method, or pay on Stripe's page."),
    "warning",
)
#: Why nothing was tried.
_REFUSED = {
    "paid": (_PAID_ALREADY, "success"),
    "busy": (
        N_(
            "A payment of this invoice is under way. Look again in a minute; nobody is charged "
            "twice."
        ),
        "warning",
    ),
    "method": (
        N_("This payment method can't be charged. Choose another one, or pay on Stripe's page."),
        "warning",
    ),
    "limit": (
        N_("This payment method was tried too often. Choose another one, or pay on Stripe's page."),
        "warning",
    ),
}
_NOT_NOW = (
    N_(
        "This invoice can't be paid at the moment. Nothing was charged; try again in a few minutes."
    ),
    "warning",
)
_FOR_STAFF = N_(
    "This invoice can't be paid right now, and trying again will not help. The people who run this "
    "site have to look into it."
)


def pay(project_id: Any, invoice_id: UUID) -> BaseResponse:
    """Charge an invoice to the chosen payment method, and say what came of it.

    Sent twice it pays once: the second time finds it paid or under way. Who came from elsewhere is
    taken back there once it is paid.
    """
    project = project_of(project_id, to_change=True)
    ActionForm().check()
    progress = _progress(project, invoice_id)
    method_id = _chosen(project, progress)
    if progress.can_be_paid and request.form.get("amount") != str(progress.to_pay):
        flash(gettext("The amount has changed meanwhile. Look at it, then pay it."), "warning")
        return _to_invoice(project_id, invoice_id)
    try:
        attempt = collecting.pay_now(invoice_id, method_id, made_by=actor_id())
    except CollectingRefused as refused:
        _tell(*_refusal(refused, invoice_id))
    except GatewayError as error:
        _tell_of_trouble(error, invoice_id)
    else:
        _tell(*_outcome(attempt))
    way_back = local_path(request.form.get("next"))
    if way_back is not None and presenters.progress_of(invoice_id).situation == "paid":
        return redirect(way_back, 303)
    return _to_invoice(project_id, invoice_id)


def pay_on_page(project_id: Any, invoice_id: UUID) -> BaseResponse:
    """Send the person to the processor's page of an invoice; nothing else charges it meanwhile."""
    project = project_of(project_id, to_change=True)
    ActionForm().check()
    _progress(project, invoice_id)
    try:
        address = collecting.page_for_owner(invoice_id)
    except CollectingRefused as refused:
        _tell(*_refusal(refused, invoice_id))
    except GatewayError as error:
        _tell_of_trouble(error, invoice_id)
    else:
        return redirect(address, 303)
    return _to_invoice(project_id, invoice_id)


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("/invoices/<uuid:invoice_id>/pay", "pay_invoice", pay, ["POST"]),
    ("/invoices/<uuid:invoice_id>/pay-on-page", "pay_on_page", pay_on_page, ["POST"]),
)


def _progress(project: Any, invoice_id: UUID) -> Progress:
    """Return how far an invoice of a project is; without anything due there is nothing to pay."""
    invoicing.invoice_of(projects.key_of(project), invoice_id)
    progress = presenters.progress_of(invoice_id)
    if progress.collection is None:
        abort(404)
    return progress


def _chosen(project: Any, progress: Progress) -> UUID:
    """Return the payment method that was chosen: one of this project, of who pays this invoice."""
    try:
        chosen = UUID(request.form.get("payment_method", ""))
    except ValueError:
        abort(400)
    info = projects.visible_billing_info(project)
    method = current().db.session.get(PaymentMethod, chosen)
    payers = {progress.collection.billing_info_id} if progress.collection is not None else set()
    if info is None or method is None or {info.id, method.billing_info_id} != payers:
        abort(404)
    return chosen


def _outcome(attempt: PaymentAttempt) -> tuple[str, str]:
    """Return what to tell of a try; somebody else may have paid while it was made."""
    state, invoice_id = attempt.state, attempt.invoice_id
    if state != "succeeded" and presenters.progress_of(invoice_id).situation == "paid":
        return _PAID_ALREADY, "success"
    return _OUTCOMES.get(state, _NOT_EXECUTED)


def _refusal(refused: CollectingRefused, invoice_id: UUID) -> tuple[str, str]:
    """Return what to tell where nothing was tried; only staff can set a parked invoice going."""
    if refused.reason == "state" and presenters.progress_of(invoice_id).situation == "parked":
        return _FOR_STAFF, "warning"
    return _REFUSED.get(refused.reason, _NOT_NOW)


def _tell(words: str, category: str) -> None:
    flash(gettext(words), category)


def _tell_of_trouble(error: GatewayError, invoice_id: UUID) -> None:
    if isinstance(error, GatewayUnavailable):
        _tell(
            N_(
                "Stripe is not answering, so the invoice can't be paid right now. Nothing was "
                "charged; try again in a few minutes."
            ),
            "error",
        )
        return
    current_app.logger.warning("Invoice %s can't be paid: %s.", invoice_id, error.code)
    _tell(_FOR_STAFF, "error")


def _to_invoice(project_id: Any, invoice_id: UUID) -> BaseResponse:
    way_back = local_path(request.form.get("next"))
    address = url_for(
        "billing.invoice", project_id=project_id, invoice_id=invoice_id, next=way_back
    )
    return redirect(address, 303)
