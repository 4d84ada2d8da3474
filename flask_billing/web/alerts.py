"""The page of spending alerts: whoever sees the project may set one; limits need its manager."""

from __future__ import annotations

import re
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from babel.numbers import NumberFormatError, parse_decimal
from flask import abort, flash, make_response, redirect, render_template, request, url_for
from flask_wtf import FlaskForm
from wtforms import BooleanField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from flask_billing import alerts, money, projects
from flask_billing.errors import AlertRefused
from flask_billing.web import amounts, presenters
from flask_billing.web.access import can_manage, project_of
from flask_billing.web.forms import ActionForm
from flask_billing.web.i18n import N_, gettext, locale

if TYPE_CHECKING:
    from flask import Response
    from werkzeug.wrappers import Response as BaseResponse

__all__ = ["ROUTES", "AlertForm"]

_MOST = 10**12
#: Neither exponents nor words such as NaN, which a decimal may also be written as.
_NUMBER = re.compile(r"[0-9][0-9.,'\s\N{RIGHT SINGLE QUOTATION MARK}]{0,29}")
_REFUSED = {
    "amount": N_("This amount can't be used. Enter another."),
    "label": N_(
        "This looks like an e-mail, a telephone number or an address. Choose a word that tells of "
        "no person, such as Half."
    ),
    None: N_("There are as many alerts as there can be. Remove one first."),
}


class AlertForm(FlaskForm):
    """An amount to be told at."""

    amount = StringField(
        N_("Amount"),
        filters=[lambda text: (text or "").strip()],
        validators=[InputRequired(N_("Enter an amount."))],
        render_kw={"inputmode": "decimal", "autocomplete": "off"},
    )
    label = StringField(
        N_("Label"),
        filters=[lambda text: (text or "").strip()],
        validators=[Length(max=40, message=N_("This is too long. Shorten it."))],
        description=N_("A word of your own, or nothing. No names and no addresses."),
        render_kw={"autocomplete": "off", "maxlength": 40},
    )
    stops_creation = BooleanField(
        N_("Make it a limit"),
        description=N_(
            "Nothing that costs money can be created once it is reached, until the month is over. "
            "What is running goes on."
        ),
    )

    def __init__(self, currency: str, **options: Any) -> None:
        super().__init__(**options)
        self.currency = currency
        self.amount.description = gettext(
            "In %(currency)s and without tax, such as %(example)s.",
            currency=currency.upper(),
            example=amounts.number(50 * 10 ** money.exponent(currency), currency),
        )

    def validate_amount(self, field: StringField) -> None:
        """Refuse what is no amount above nothing in the reader's way of writing."""
        exact = _read(field.data)
        if exact is None or not 0 < exact < _MOST:
            raise ValidationError(N_("Enter an amount above 0 in numbers."))
        if money.to_major_units(self.minor_units(exact), self.currency) != exact:
            raise ValidationError(N_("This has more decimals than the currency. Shorten it."))

    def minor_units(self, exact: Decimal | None = None) -> int:
        """Return what was typed in minor units."""
        exact = exact if exact is not None else _read(self.amount.data)
        return money.to_minor_units(exact or Decimal(), self.currency)


def show(project_id: Any) -> Response | BaseResponse:
    """Show the alerts and the form for another one, and set what was typed."""
    project = project_of(project_id)
    form = AlertForm(project.billing_currency)
    if request.method != "POST":
        return _page(project, project_id, form)
    if form.stops_creation.data and not can_manage(project):
        abort(403)
    if not form.validate():
        return _page(project, project_id, form, status=422)
    try:
        alerts.set_alert(
            projects.key_of(project),
            form.minor_units(),
            label=form.label.data or None,
            stops_creation=form.stops_creation.data,
        )
    except AlertRefused as refused:
        _refuse(form, refused.field)
        return _page(project, project_id, form, status=422)
    flash(gettext("The alert was set."), "success")
    return redirect(url_for("billing.alerts", project_id=project_id), 303)


def remove(project_id: Any, alert_id: UUID) -> BaseResponse:
    """Remove an alert of this project; a limit only for who manages its billing."""
    project = project_of(project_id)
    ActionForm().check()
    key = projects.key_of(project)
    found = next((alert for alert in alerts.alerts_of(key) if alert.id == alert_id), None)
    if found is None:
        abort(404)
    if found.stops_creation and not can_manage(project):
        abort(403)
    alerts.remove_alert(key, alert_id)
    flash(gettext("The alert was removed."), "success")
    return redirect(url_for("billing.alerts", project_id=project_id), 303)


#: Rule behind the prefix, endpoint, view and methods.
ROUTES = (
    ("/alerts", "alerts", show, ["GET", "POST"]),
    ("/alerts/<uuid:alert_id>/remove", "remove_alert", remove, ["POST"]),
)


def _read(text: str | None) -> Decimal | None:
    """Return what was typed as a number: as the reader's language has it, or as programs do."""
    if not _NUMBER.fullmatch(text or ""):
        return None
    for language in (locale(), "en"):
        with suppress(NumberFormatError):
            return parse_decimal(text or "", locale=language, strict=True)
    return None


def _refuse(form: AlertForm, field: str | None) -> None:
    words = _REFUSED.get(field, _REFUSED[None])
    if field in {"amount", "label"}:
        form[field].errors = [words]
    else:
        form.form_errors.append(words)


def _page(project: Any, project_id: Any, form: AlertForm, *, status: int = 200) -> Response:
    found = alerts.alerts_of(projects.key_of(project))
    page = render_template(
        "billing/alerts.html",
        project=project,
        project_id=project_id,
        form=form,
        alerts=presenters.alerts_shown(found),
        can_manage=can_manage(project),
    )
    return make_response(page, status)
