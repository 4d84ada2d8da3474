"""What every billing page needs to be rendered, and to stay private."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flask import request

from flask_billing.state import current
from flask_billing.web import i18n

if TYPE_CHECKING:
    from flask import Response

__all__ = ["context", "keep_private"]


def context() -> dict[str, Any]:
    """Return the names that our templates may use, all of them beginning with `billing_`.

    Not `_` and `gettext`: those belong to the host, whose layout surrounds our pages.
    """
    return {
        "billing_layout": current().settings.layout,
        "billing_language": i18n.language(),
        "billing_gettext": i18n.gettext,
        "billing_ngettext": i18n.ngettext,
    }


def keep_private(response: Response) -> Response:
    """Keep pages out of every cache, and their addresses away from other sites."""
    if request.endpoint != "billing.static":
        response.headers["Cache-Control"] = "no-store"
        response.headers["Referrer-Policy"] = "same-origin"
    return response
