"""Makes full addresses of our own pages without trusting the `Host` header."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from flask import current_app, request, url_for

from flask_billing.state import current

__all__ = ["absolute", "absolute_or_path", "return_address"]

_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def absolute(endpoint: str, **values: Any) -> str:
    """Return the full address of one of our pages.

    :raises RuntimeError: It can't be known for sure; the message names the setting.
    """
    path = url_for(endpoint, **values)
    base_url = current().settings.base_url
    if base_url is not None:
        return base_url + path.removeprefix(request.root_path)
    if _host_is_trusted():
        return request.host_url.rstrip("/") + path
    raise RuntimeError(
        "The processor has to send people back to this site, and its address is not known for "
        "sure: anyone can set the Host header. Set BILLING_BASE_URL, such as "
        "https://app.example.com, or Flask's TRUSTED_HOSTS."
    )


def absolute_or_path(endpoint: str, **values: Any) -> str:
    """Return the full address of one of our pages, or its path where the host is not trusted."""
    if current().settings.base_url is not None or _host_is_trusted():
        return absolute(endpoint, **values)
    return url_for(endpoint, **values)


def return_address(project_id: str) -> str:
    """Return where the processor sends people back to; it fills in the braces."""
    address = absolute("billing.complete", project_id=project_id)
    return address + "?session_id={CHECKOUT_SESSION_ID}"


def _host_is_trusted() -> bool:
    """Return whether Flask has checked the host, or it is this very machine."""
    if current_app.config.get("TRUSTED_HOSTS"):
        return True
    try:
        return urlsplit(request.host_url).hostname in _LOOPBACK
    except ValueError:
        return False
