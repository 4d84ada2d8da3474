"""The billing pages: one blueprint with its templates, stylesheet and translations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint

from flask_billing.errors import BillingDisabled
from flask_billing.web import alerts, codes, invoices, paying, usage, views
from flask_billing.web.errors import handle_billing_disabled, handle_payment_method_required
from flask_billing.web.mail import write_letter
from flask_billing.web.rendering import context, keep_private
from flask_billing.web.staff import add_staff
from flask_billing.web.views import refuse_while_disabled
from flask_billing.web.webhook import add_webhook

if TYPE_CHECKING:
    from flask_billing.settings import Settings

__all__ = ["handle_payment_method_required", "make_blueprint", "write_letter"]

_ROUTES = (
    *views.ROUTES,
    *usage.ROUTES,
    *invoices.ROUTES,
    *paying.ROUTES,
    *alerts.ROUTES,
    *codes.ROUTES,
)


def make_blueprint(settings: Settings) -> Blueprint:
    """Return the blueprint of the billing pages for one app.

    The prefix is written into each rule, because the stylesheet belongs to no project.
    """
    blueprint = Blueprint(
        "billing",
        __name__,
        template_folder="templates",
        static_folder="static",
        static_url_path="/billing/static",
    )
    for rule, endpoint, view, methods in _ROUTES:
        blueprint.add_url_rule(
            settings.url_prefix + rule,
            endpoint,
            view,
            methods=methods,
            strict_slashes=False,
        )
    add_staff(blueprint, settings)
    add_webhook(blueprint, settings)
    blueprint.before_request(refuse_while_disabled)
    blueprint.after_request(keep_private)
    blueprint.context_processor(context)
    blueprint.register_error_handler(BillingDisabled, handle_billing_disabled)
    return blueprint
