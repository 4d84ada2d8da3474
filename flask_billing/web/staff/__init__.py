"""What staff see and do: invoices and what is stuck, events, and who did what."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from flask import abort

from flask_billing.state import current
from flask_billing.web.staff import actions, audit, invoices, machines, views

if TYPE_CHECKING:
    from flask import Blueprint

    from flask_billing.settings import Settings

__all__ = ["add_staff"]

_ROUTES = (
    *views.ROUTES,
    *invoices.ROUTES,
    *actions.ROUTES,
    *audit.ROUTES,
    *machines.ROUTES,
)


def add_staff(blueprint: Blueprint, settings: Settings) -> None:
    """Add the staff pages below `BILLING_STAFF_PREFIX`, each behind `staff_required`."""
    for rule, endpoint, view, methods in _ROUTES:
        blueprint.add_url_rule(
            settings.staff_prefix + rule,
            endpoint,
            _for_staff(view),
            methods=methods,
            strict_slashes=False,
        )


def _for_staff(view: Callable[..., Any]) -> Callable[..., Any]:
    """Hide a page from whoever is not staff: it is answered as one that does not exist."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not current().hooks.staff_required():
            abort(404)
        return view(*args, **kwargs)

    return guarded
