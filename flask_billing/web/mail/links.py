"""Makes links that work outside of any request."""

from __future__ import annotations

from typing import Any

from flask import current_app

from flask_billing.state import current

__all__ = ["link"]


def link(endpoint: str, project_key: str | None, **values: Any) -> str | None:
    """Return the address of a page of a project; `None` where the site's own is not known."""
    base_url = current().settings.base_url
    if base_url is None or project_key is None:
        return None
    adapter = current_app.url_map.bind("")
    path = adapter.build(f"billing.{endpoint}", {"project_id": project_key, **values})
    return base_url + path
