"""The billing pages of a project: who may see them, what they show, and where each action ends."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

from flask import (
    abort,
    current_app,
    flash,
    make_response,
    redirect,
    render_template,
    request,
    url_for,
)

from flask_billing import customers, payment_methods, projects
from flask_billing.customers import DetailsRefused
from flask_billing.errors import (
    BillingDisabled,
    GatewayError,
    GatewayRefusal,
    GatewayUnavailable,
    MethodNeeded,
    NotOurs,
    SessionUnfinished,
)
from flask_billing.state import current
from flask_billing.web import addresses, presenters
from flask_billing.web.access import can_manage, project_of
from flask_billing.web.forms import ActionForm, DetailsForm
from flask_billing.web.i18n import gettext
from flask_billing.web.safe_next import keep_way_back, local_path, take_way_back

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

    from flask_billing.models import BillingInfo, PaymentMethod
    from flask_billing.payment_methods import Completion

__all__ = ["ROUTES", "refuse_while_disabled"]

_SESSION_ID = re.compile(r"cs_[A-Za-z0-9_]{1,250}")


def refuse_while_disabled() -> None:
    """Answer every page with 501 while billing is off; the stylesheet is for that page too."""
    if request.endpoint != "billing.static" and not current().settings.enabled:
        raise BillingDisabled


def index(project_id: Any) -> str:
    """Show whether the project can go on, what it pays with, and who pays."""
    project = project_of(project_id)
    live, is_gone = _look(projects.visible_billing_info(project))
    # Rows are read after the calls: what the processor said may just have been written into them.
    methods = projects.payment_methods_of(project)
    shown = presenters.methods_of(presenters.rows_of(methods), live, kept=_kept(project, methods))
    kinds = presenters.kinds_of(project)
    page = {
        "project": project,
        "project_id": project_id,
        "can_manage": can_manage(project),
        "status": presenters.status_of(project),
        "kinds": kinds,
        "costly": presenters.costly_names(kinds),
        "methods": shown,
        "usable": sum(method.is_usable for method in shown),
        "details": _details_of(live),
        "is_gone": is_gone,
        "missing": live.missing,
        "sharing": projects.sharing_count(project),
        "next": local_path(request.args.get("next")),
        **presenters.spending_of(project),
    }
    return render_template("billing/index.html", form=ActionForm(), **page)


def add(project_id: Any) -> BaseResponse:
    """Send the person to the processor's page for saving a payment method."""
    project = project_of(project_id, to_change=True)
    ActionForm().check()
    way_back = local_path(request.form.get("next"))
    index_address = addresses.absolute("billing.index", project_id=project_id, next=way_back)
    keep_way_back(projects.key_of(project), way_back)
    try:
        address = payment_methods.start(
            project,
            return_url=addresses.return_address(project_id),
            cancel_url=index_address,
        )
    except SessionUnfinished:
        flash(_still_checked(), "warning")
        return _to_index(project_id, way_back)
    except GatewayUnavailable:
        flash(
            gettext(
                "Stripe is not answering, so no payment method can be added right now. "
                "Nothing is lost; try again in a few minutes."
            ),
            "error",
        )
        return _to_index(project_id, way_back)
    except GatewayError as error:
        current_app.logger.warning("No payment method can be added: %s (%s).", error, error.code)
        flash(
            gettext(
                "No payment method can be added right now, and trying again will not help. The "
                "people who run this site have to look into it."
            ),
            "error",
        )
        return _to_index(project_id, way_back)
    return redirect(address, 303)


def complete(project_id: Any) -> Response | BaseResponse:
    """Take the person back from the processor's page, as often as the address is opened."""
    project = project_of(project_id, to_change=True)
    session_id = request.args.get("session_id", "")
    if not _SESSION_ID.fullmatch(session_id):
        abort(404)
    key = projects.key_of(project)
    try:
        completion = payment_methods.complete(project, session_id)
    except NotOurs:
        abort(404)
    except GatewayError:
        # Not a redirect: whoever reloads this page asks again.
        page = render_template("billing/unchecked.html", project=project, project_id=project_id)
        return make_response(page, 503)
    flash(*_outcome(completion))
    if completion.state != "complete" or _refusal(completion) is not None:
        return _to_index(project_id)
    return redirect(take_way_back(key) or url_for("billing.index", project_id=project_id), 303)


def details(project_id: Any) -> Response | BaseResponse:
    """Show the form for who pays, and save what was typed."""
    project = project_of(project_id, to_change=True)
    info = projects.visible_billing_info(project)
    if info is None:
        return _details_page(project, project_id, None, state="none")
    if info.removed_at is not None:
        return _details_page(project, project_id, None, state="gone")
    if request.method == "POST":
        return _save_details(project, project_id, info)
    sharing = projects.sharing_count(project)
    live, is_gone = _look(info)
    if is_gone:
        return _details_page(project, project_id, None, state="gone")
    if live.customer is None:
        return _details_page(project, project_id, None, state="missing")
    form = DetailsForm(live.customer)
    return _details_page(project, project_id, form, state="form", sharing=sharing)


def move(project_id: Any, payment_method_id: UUID) -> BaseResponse:
    """Change the order in which payment methods are tried."""
    project = project_of(project_id, to_change=True)
    ActionForm().check()
    direction = request.form.get("direction")
    if direction not in {"up", "down"}:
        abort(400)
    try:
        payment_methods.move(project, payment_method_id, direction=direction)
    except NotOurs:
        abort(404)
    flash(gettext("The order was changed."), "success")
    return _to_index(project_id)


def remove(project_id: Any, payment_method_id: UUID) -> Response | BaseResponse:
    """Say what removing a payment method will do, and do it once that is confirmed."""
    project = project_of(project_id, to_change=True)
    if request.method != "POST":
        return _remove_page(project, project_id, payment_method_id)
    ActionForm().check()
    try:
        method = payment_methods.remove(project, payment_method_id)
    except NotOurs:
        abort(404)
    except MethodNeeded:
        return _remove_page(project, project_id, payment_method_id, status=409)
    flash(*_farewell(is_gone=method.removed_at is not None))
    return _to_index(project_id)


#: What `make_blueprint` serves: rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("", "index", index, ["GET"]),
    ("/payment-methods", "add", add, ["POST"]),
    ("/return", "complete", complete, ["GET"]),
    ("/details", "details", details, ["GET", "POST"]),
    ("/payment-methods/<uuid:payment_method_id>/move", "move", move, ["POST"]),
    ("/payment-methods/<uuid:payment_method_id>/remove", "remove", remove, ["GET", "POST"]),
)


def _to_index(project_id: Any, way_back: str | None = None) -> BaseResponse:
    return redirect(url_for("billing.index", project_id=project_id, next=way_back), 303)


def _outcome(completion: Completion) -> tuple[str, str]:
    """Return what to tell a person who comes back, and how important that is."""
    refusal = _refusal(completion)
    if refusal is not None:
        return presenters.refusal_sentence(refusal), "warning"
    if completion.state == "complete":
        saved = gettext("Your payment method was saved.")
        known = gettext("Your payment method is saved.")
        return saved if completion.is_new else known, "success"
    messages = {
        "processing": _still_checked(),
        "expired": gettext(
            "Nothing was saved: the page at Stripe has expired, or your bank refused. Add your "
            "payment method again."
        ),
        "superseded": gettext(
            "The billing details of this project changed meanwhile, so this payment method is not "
            "used. Add it again."
        ),
    }
    left = gettext("Nothing was saved yet. Add a payment method whenever you are ready.")
    return messages.get(completion.state, left), "warning"


def _refusal(completion: Completion) -> str | None:
    """Return why the saved method is refused as things are now: a check may have ended since."""
    method = completion.payment_method
    return completion.refusal if method is None else method.refusal


def _still_checked() -> str:
    return gettext("Your bank is still checking your payment method. Come back in a few minutes.")


def _farewell(*, is_gone: bool) -> tuple[str, str]:
    """Return what to tell a person who removed a payment method."""
    if is_gone:
        return gettext("Your payment method was removed."), "success"
    later = gettext(
        "Your payment method is not charged any more. Stripe is not answering; it will be removed "
        "there as soon as it does."
    )
    return later, "warning"


def _kept(project: Any, methods: list[PaymentMethod]) -> dict[UUID, str]:
    """Return the payment methods that can't be removed with the reason, in words."""
    needed = gettext(
        "This is the last payment method that can be charged, and there is still something that "
        "has to be paid for. Add another one first."
    )
    charged = gettext("A payment with it is under way. Remove it once the outcome is known.")
    reasons = payment_methods.kept(project, methods)
    return {
        method_id: charged if reason == "being_charged" else needed
        for method_id, reason in reasons.items()
    }


def _look(info: BillingInfo | None) -> tuple[customers.LiveDetails, bool]:
    """Return what the processor says of who pays, and whether that customer was deleted there."""
    was_removed = info is not None and info.removed_at is not None
    live = customers.live_details(info)
    return live, was_removed or (live.customer is not None and live.customer.deleted)


def _details_of(live: customers.LiveDetails) -> presenters.Details | None:
    if live.customer is None or live.customer.deleted:
        return None
    return presenters.details_of(live.customer)


def _save_details(project: Any, project_id: Any, info: BillingInfo) -> Response | BaseResponse:
    form = DetailsForm()
    sharing = projects.sharing_count(project)
    if not form.validate():
        return _details_page(project, project_id, form, sharing=sharing, status=422)
    try:
        customers.update(info, form.details(), form.tax_id_pair())
    except DetailsRefused as refusal:
        form.refuse(refusal.fields)
        return _details_page(project, project_id, form, sharing=sharing, status=422)
    except GatewayRefusal:
        if _look(info)[1]:
            return _details_page(project, project_id, None, state="gone")
        form.refuse({})
        return _details_page(project, project_id, form, sharing=sharing, status=422)
    except GatewayError:
        return _details_page(
            project, project_id, form, state="unsaved", sharing=sharing, status=503
        )
    saved = gettext("Your billing details were saved.")
    if presenters.waits_for_address(projects.key_of(project)):
        saved = gettext(
            "Your billing details were saved. The invoice that waited for them goes on by itself."
        )
    flash(saved, "success")
    return _to_index(project_id)


def _details_page(
    project: Any,
    project_id: Any,
    form: DetailsForm | None,
    *,
    state: str = "form",
    sharing: int = 0,
    status: int = 200,
) -> Response:
    page = render_template(
        "billing/details.html",
        project=project,
        project_id=project_id,
        form=form or ActionForm(),
        state=state,
        sharing=sharing,
    )
    return make_response(page, status)


def _remove_page(
    project: Any, project_id: Any, payment_method_id: UUID, *, status: int = 200
) -> Response:
    methods = projects.payment_methods_of(project)
    if not any(method.id == payment_method_id for method in methods):
        abort(404)
    info = projects.visible_billing_info(project)
    sharing = projects.sharing_count(project)
    rows, kept = presenters.rows_of(methods), _kept(project, methods)
    live = customers.live_details(info)
    shown = presenters.methods_of(rows, live, kept=kept)
    page = render_template(
        "billing/remove.html",
        project=project,
        project_id=project_id,
        form=ActionForm(),
        method=next(method for method in shown if method.id == payment_method_id),
        others_usable=sum(m.is_usable for m in shown if m.id != payment_method_id),
        sharing=sharing,
        missing=live.missing,
    )
    return make_response(page, status)
