"""The form for codes that grant credit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import StringField
from wtforms.validators import Length

from flask_billing import credits, projects
from flask_billing.errors import CodeRefused, TooManyAttempts
from flask_billing.web import amounts
from flask_billing.web.access import project_of
from flask_billing.web.i18n import N_, gettext

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

__all__ = ["ROUTES", "CodeForm"]

_UNKNOWN = N_("This code can't be used. Check it for typing mistakes.")
_USED = N_("This project has used this code already.")
_TOO_MANY = N_("Too many codes were tried. Try again in an hour.")


class CodeForm(FlaskForm):
    """A code, as somebody typed it."""

    code = StringField(
        N_("Code"),
        filters=[lambda text: (text or "").strip()],
        validators=[Length(max=100, message=_UNKNOWN)],
        render_kw={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"},
    )


def redeem(project_id: Any) -> Response | BaseResponse:
    """Show the form, and grant the credit of the code that was typed."""
    project = project_of(project_id, to_change=True)
    form = CodeForm()
    if request.method != "POST":
        return _page(project, project_id, form)
    if not form.validate():
        return _page(project, project_id, form, status=422)
    try:
        credit = credits.redeem(projects.key_of(project), form.code.data)
    except CodeRefused as refused:
        form.code.errors = [_words(refused)]
        return _refused(_page(project, project_id, form, status=refused.status), refused)
    granted = amounts.money(credit.amount, credit.currency)
    flash(gettext("%(amount)s of credit was added.", amount=granted), "success")
    return redirect(url_for("billing.index", project_id=project_id), 303)


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (("/credit-code", "credit_code", redeem, ["GET", "POST"]),)


def _words(refused: CodeRefused) -> str:
    if isinstance(refused, TooManyAttempts):
        return _TOO_MANY
    return _USED if refused.reason == "used" else _UNKNOWN


def _refused(page: Response, refused: CodeRefused) -> Response:
    if isinstance(refused, TooManyAttempts):
        page.headers["Retry-After"] = str(refused.retry_after)
    return page


def _page(project: Any, project_id: Any, form: CodeForm, *, status: int = 200) -> Response:
    page = render_template("billing/code.html", project=project, project_id=project_id, form=form)
    return make_response(page, status)
