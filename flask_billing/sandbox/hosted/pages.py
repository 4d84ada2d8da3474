"""The pages a person sees: Checkout, and the bank's question about a payment."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, Response, current_app, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as BaseResponse

from flask_billing.sandbox.bank_accounts import BANK_ACCOUNTS
from flask_billing.sandbox.cards import CARDS
from flask_billing.sandbox.engine.call import public
from flask_billing.sandbox.engine.engine import Engine
from flask_billing.sandbox.engine.errors import Problem
from flask_billing.sandbox.engine.store import Obj, Scope
from flask_billing.sandbox.resources import payment_intents, setup_intents

from . import checkout, countries, form

pages = Blueprint(
    "hosted", __name__, template_folder="templates", static_folder="static", static_url_path="/c"
)

TAX_ID_TYPES = ("eu_vat", "gb_vat", "ch_vat", "no_vat", "us_ein", "au_abn", "in_gst")


def engine() -> Engine:
    """Give the engine of the running app."""
    found: Engine = current_app.extensions["sandbox"]
    return found


def locate(object_id: str, *kinds: str) -> tuple[Scope, Obj]:
    """Give an object and its scope for a page, whoever opens it; the ids cannot be guessed."""
    located = engine().store.locate(object_id)
    if located is None or located[1]["object"] not in kinds:
        raise NotFound
    return located


class NotFound(Exception):
    """There is no such page."""


@pages.app_errorhandler(NotFound)
def not_found(_: NotFound) -> Response:
    """Say that there is no such page."""
    return page("gone.html", 404, state="missing", session=None)


@pages.get("/c/pay/<session_id>")
def show(session_id: str) -> BaseResponse:
    """Show the Checkout page, or say why it is over."""
    return _show(_session(session_id))


@pages.post("/c/pay/<session_id>")
def submit(session_id: str) -> BaseResponse:
    """Take a filled-in Checkout page."""
    try:
        session = submit_form(engine(), session_id, request.form, base_url())
    except checkout.Refused as refused:
        session = _session(session_id)
        if session["status"] != "open":
            return _show(session)
        return _checkout_page(session, refused.errors, request.form, status=422)
    if session["status"] == "open":
        return redirect(url_for("hosted.challenge", session_id=session_id), 303)
    return redirect(success_url(session), 303)


@pages.get("/c/pay/<session_id>/challenge")
def challenge(session_id: str) -> BaseResponse:
    """Show the bank's question."""
    session = _session(session_id)
    if session["status"] != "open" or _intent_status(session) != "requires_action":
        return redirect(url_for("hosted.show", session_id=session_id), 303)
    return page("challenge.html", 200, form_targets=[session["success_url"]])


@pages.post("/c/pay/<session_id>/challenge")
def answer_challenge(session_id: str) -> BaseResponse:
    """Take the answer to the bank's question."""
    try:
        passed = request.form.get("answer") == "complete"
        session = submit_answer(engine(), session_id, base_url(), passed=passed)
    except checkout.Refused as refused:
        session = _session(session_id)
        if session["status"] != "open":
            return _show(session)
        return _checkout_page(session, refused.errors, session.get("_typed", {}), status=422)
    return redirect(success_url(session), 303)


@pages.get("/c/authenticate/<intent_id>")
def authenticate(intent_id: str) -> BaseResponse:
    """Show the bank's question about an intent that was confirmed through the API."""
    _, intent = locate(intent_id, "setup_intent", "payment_intent")
    if intent["status"] != "requires_action" or intent.get("_session"):
        return page("gone.html", 410, state="answered", session=None)
    return page("challenge.html", 200, form_targets=[_return_url(intent)])


@pages.post("/c/authenticate/<intent_id>")
def answer_authentication(intent_id: str) -> BaseResponse:
    """Take the answer to the bank's question about an intent."""
    scope, intent = locate(intent_id, "setup_intent", "payment_intent")
    if intent["status"] != "requires_action" or intent.get("_session"):
        return page("gone.html", 410, state="answered", session=None)
    back = _return_url(intent)
    module = setup_intents if intent["object"] == "setup_intent" else payment_intents
    try:
        with engine().step(scope, base_url()) as call:
            current = call.get(intent["object"], intent_id)
            module.authenticate(call, current, passed=request.form.get("answer") == "complete")
    except Problem as problem:
        if problem.status != 402:
            raise
    return redirect(back, 303) if back else page("gone.html", 200, state="answered", session=None)


def submit_form(working: Engine, session_id: str, values: Mapping[str, str], base_url: str) -> Obj:
    """Do what the Checkout page's form does; gives the session as it is then.

    Raises `Refused` when the page would show errors, also when the session is no longer open.
    """
    scope = _scope_of(working, session_id)
    try:
        with working.step(scope, base_url) as call:
            session = _open_session(call.get("checkout.session", session_id))
            return checkout.pay(call, session, values)
    except Problem as problem:
        raise checkout.refusal(problem) from None


def submit_answer(working: Engine, session_id: str, base_url: str, *, passed: bool) -> Obj:
    """Do what the bank's page does: confirm the person, or not."""
    scope = _scope_of(working, session_id)
    try:
        with working.step(scope, base_url) as call:
            session = _open_session(call.get("checkout.session", session_id))
            return checkout.authenticate(call, session, passed=passed)
    except Problem as problem:
        raise checkout.refusal(problem) from None


def success_url(session: Obj) -> str:
    """Give where the person goes after completion."""
    return str(session["success_url"]).replace("{CHECKOUT_SESSION_ID}", session["id"])


def _scope_of(working: Engine, session_id: str) -> Scope:
    located = working.store.locate(session_id)
    if located is None or located[1]["object"] != "checkout.session":
        raise NotFound
    return located[0]


def _open_session(session: Obj) -> Obj:
    if session["status"] != "open":
        raise checkout.Refused({"session": f"This session is {session['status']}."})
    return session


def _session(session_id: str) -> Obj:
    scope, _ = locate(session_id, "checkout.session")
    with engine().step(scope, base_url()) as call:
        return call.get("checkout.session", session_id)


def _intent_status(session: Obj) -> str:
    return str(locate(session["setup_intent"], "setup_intent")[1]["status"])


def _return_url(intent: Obj) -> str:
    return (intent["next_action"] or {}).get("redirect_to_url", {}).get("return_url") or ""


def base_url() -> str:
    """Give the address that the sandbox was called by."""
    return request.host_url.rstrip("/")


def _show(session: Obj) -> BaseResponse:
    if session["status"] == "expired":
        return page("gone.html", 410, state="expired", session=session)
    if session["status"] == "complete":
        return page("gone.html", 200, state="complete", session=session, back=success_url(session))
    return _checkout_page(session, {}, {})


def _checkout_page(
    session: Obj, errors: dict[str, str], values: Mapping[str, Any], *, status: int = 200
) -> Response:
    scope, _ = locate(session["id"], "checkout.session")
    with engine().step(scope, base_url()) as call:
        customer = checkout.customer_of(call, session)
    return page(
        "checkout.html",
        status,
        form_targets=[session["success_url"]],
        session=public(session),
        email=form.known_email(session, customer),
        required=form.required_fields(session, customer),
        errors=errors,
        values=values,
        kind=form.chosen_kind(session, values),
        countries=countries.names(),
        tax_id_types=TAX_ID_TYPES,
        cards=CARDS.values(),
        bank_accounts=BANK_ACCOUNTS.values(),
    )


def page(
    template: str, status: int, *, form_targets: list[str] | None = None, **context: Any
) -> Response:
    """Give a page that neither runs scripts nor stays in a cache.

    :param form_targets: Addresses that its forms may lead to, besides those of the sandbox.
    """
    response = Response(render_template(f"sandbox/{template}", **context), status)
    # Chromium applies form-action to the redirect after the form, too.
    targets = "".join(f" {_origin(url)}" for url in form_targets or [] if url)
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; "
        f"form-action 'self'{targets}"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Cache-Control"] = "no-store"
    return response


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
