"""Does what staff want, after a page that says what will happen, and notes who did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import abort, flash, make_response, redirect, render_template, request, url_for
from sqlalchemy import select

from flask_billing import auditing, refunding
from flask_billing.auditing import NotedAlready
from flask_billing.errors import (
    BillingError,
    CollectingRefused,
    CorrectionRefused,
    GatewayError,
    GatewayUnavailable,
    RefundRefused,
)
from flask_billing.ids import uuid7
from flask_billing.models import BillingInfo, Dispute, Invoice, PaymentMethod
from flask_billing.state import current
from flask_billing.web.access import actor_id
from flask_billing.web.i18n import gettext
from flask_billing.web.staff import invoice_listing
from flask_billing.web.staff.deed_forms import DeedForm
from flask_billing.web.staff.deeds import DEEDS, NO_ANSWER, Deed, Said
from flask_billing.web.staff.invoices import shown
from flask_billing.web.staff.project_names import names_of

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

__all__ = ["ROUTES"]

_REFUSALS = (CollectingRefused, CorrectionRefused, GatewayError, RefundRefused)


def act(invoice_id: UUID, name: str) -> Response | BaseResponse:
    """Ask whether something is to be done with an invoice, and do it.

    What is sent twice is done once: the page gives out the id of the entry in the audit log.
    """
    deed, invoice = DEEDS[name], _invoice(invoice_id)
    form = deed.form(invoice.currency)
    if request.method != "POST":
        return _ask(deed, invoice, form) if deed.fits(invoice) else _does_not_fit(invoice_id)
    entry_id = _entry_id()
    if not form.validate():
        return _ask(deed, invoice, form, status=422)
    try:
        said = _do(deed, invoice, form, entry_id)
    except NotedAlready:
        said = _sent_twice()
    except LookupError:
        # No page offers this: nothing is due on the invoice, or it was never issued.
        return _does_not_fit(invoice_id)
    except _REFUSALS as refused:
        return _ask(deed, _invoice(invoice_id), form, status=refused.status, refused=refused)
    flash(*said)
    return _to_invoice(invoice_id)


def accept(payment_method_id: UUID) -> Response | BaseResponse:
    """Ask whether a disputed payment method is to be charged again, and see to it."""
    method_id, disputes = _method_id(payment_method_id), _disputes(payment_method_id)
    form = DeedForm()
    if request.method != "POST":
        return _ask_to_accept(method_id, disputes, form)
    entry_id = _entry_id()
    if not form.validate():
        return _ask_to_accept(method_id, disputes, form, status=422)
    made_by = actor_id()
    try:
        with auditing.noted(
            "accept_method",
            "payment_method",
            method_id,
            way="web",
            made_by=made_by,
            entry_id=entry_id,
        ):
            refunding.accept_method(method_id, made_by=made_by)
        said = gettext("The payment method is charged again from now on."), "success"
    except NotedAlready:
        said = _sent_twice()
    except CollectingRefused as refused:
        return _ask_to_accept(method_id, disputes, form, status=refused.status, refused=refused)
    flash(*said)
    return redirect(url_for("billing.staff_invoices"), 303)


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    (
        f"/invoices/<uuid:invoice_id>/<any({', '.join(map(repr, DEEDS))}):name>",
        "staff_act",
        act,
        ["GET", "POST"],
    ),
    (
        "/payment-methods/<uuid:payment_method_id>/accept",
        "staff_accept",
        accept,
        ["GET", "POST"],
    ),
)


def _do(deed: Deed, invoice: Invoice, form: DeedForm, entry_id: UUID) -> Said:
    invoice_id, made_by = invoice.id, actor_id()
    with auditing.noted(
        deed.action,
        "invoice",
        invoice_id,
        way="web",
        made_by=made_by,
        project_key=invoice.project_key,
        amount=form.minor_units,
        currency=invoice.currency,
        reason=form.word,
        entry_id=entry_id,
    ):
        return deed.do(invoice_id, form, made_by)


def _invoice(invoice_id: UUID) -> Invoice:
    found = invoice_listing.find(invoice_id)
    if found is None:
        abort(404)
    return found


def _method_id(payment_method_id: UUID) -> UUID:
    """Return the id of a payment method that is of the mode of the key that is set."""
    state = current()
    query = (
        select(PaymentMethod.id)
        .join(BillingInfo, BillingInfo.id == PaymentMethod.billing_info_id)
        .where(
            PaymentMethod.id == payment_method_id,
            BillingInfo.livemode == state.settings.livemode,
        )
    )
    found: UUID | None = state.db.session.scalar(query)
    if found is None:
        abort(404)
    return found


def _disputes(payment_method_id: UUID) -> Sequence[Any]:
    """Return ids and states of what banks said of a payment method, the latest first."""
    query = (
        select(Dispute.stripe_id, Dispute.kind, Dispute.state, Dispute.invoice_id)
        .where(Dispute.payment_method_id == payment_method_id)
        .order_by(Dispute.id.desc())
    )
    return list(current().db.session.execute(query))


def _entry_id() -> UUID:
    """Return the id that the page gave out for what is done."""
    try:
        return UUID(request.form.get("entry_id", ""))
    except ValueError:
        abort(400)


def _does_not_fit(invoice_id: UUID) -> BaseResponse:
    flash(gettext("This can't be done with the invoice as it is now."), "warning")
    return _to_invoice(invoice_id)


def _sent_twice() -> Said:
    said = gettext("This was sent before, and is not done twice. Look at what came of it.")
    return said, "warning"


def _ask(
    deed: Deed,
    invoice: Invoice,
    form: DeedForm,
    *,
    status: int = 200,
    refused: BillingError | None = None,
) -> Response:
    page = render_template(
        "billing/staff/act.html",
        deed=deed,
        row=shown(invoice),
        names=names_of([invoice.project_key]),
        form=form,
        entry_id=uuid7(),
        trouble=_trouble(refused),
    )
    return make_response(page, status)


def _ask_to_accept(
    method_id: UUID,
    disputes: Sequence[Any],
    form: DeedForm,
    *,
    status: int = 200,
    refused: BillingError | None = None,
) -> Response:
    page = render_template(
        "billing/staff/accept.html",
        method_id=method_id,
        disputes=disputes,
        form=form,
        entry_id=uuid7(),
        trouble=_trouble(refused),
    )
    return make_response(page, status)


def _trouble(refused: BillingError | None) -> tuple[str, str] | None:
    """Return what to say of a refusal: in the reader's words, and in those of the error."""
    if refused is None:
        return None
    if isinstance(refused, GatewayUnavailable):
        return gettext(NO_ANSWER), refused.code or ""
    if isinstance(refused, GatewayError):
        return gettext("Stripe refused this."), refused.code or ""
    return gettext("This can't be done now."), str(refused)


def _to_invoice(invoice_id: UUID) -> BaseResponse:
    return redirect(url_for("billing.staff_invoice", invoice_id=invoice_id), 303)
