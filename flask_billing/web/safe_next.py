"""Keeps the way back to what a person was doing: paths of this site only, and nothing secret."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

from flask import request, session

__all__ = ["here", "keep_way_back", "local_path", "take_way_back"]

_SESSION_KEY = "_billing_next"
_MAX_LENGTH = 500
#: A session cookie has room for some 4,000 characters, most of them the host's.
_MAX_KEPT = 2


def local_path(value: str | None) -> str | None:
    """Return the path of `value` where it leads to this very site, else `None`.

    Query and fragment are left out: they may hold what does not belong into a session.
    """
    if not value or not value.startswith("/") or value.startswith("//") or "\\" in value:
        return None
    if any(ord(character) <= 32 or ord(character) == 127 for character in value):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    if parts.scheme or parts.netloc or parts.path.startswith("//"):
        return None
    return parts.path if len(parts.path) <= _MAX_LENGTH else None


def here() -> str | None:
    """Return where the person is: the page itself, or the page whose form was sent."""
    if request.method in {"GET", "HEAD"}:
        return local_path(quote(request.root_path + request.path, safe="/:@!$&'()*+,;=~"))
    referrer = request.referrer or ""
    if not referrer.startswith(request.host_url):
        return None
    return local_path("/" + referrer.removeprefix(request.host_url))


def keep_way_back(project_key: str, path: str | None) -> None:
    """Remember `path` for the time that the person spends at the processor's page."""
    kept = dict(session.get(_SESSION_KEY, {}))
    kept.pop(project_key, None)
    if path is not None:
        kept[project_key] = path
    session[_SESSION_KEY] = dict(list(kept.items())[-_MAX_KEPT:])


def take_way_back(project_key: str) -> str | None:
    """Return the remembered path once, and forget it."""
    kept = dict(session.get(_SESSION_KEY, {}))
    path = local_path(kept.pop(project_key, None))
    if kept:
        session[_SESSION_KEY] = kept
    else:
        session.pop(_SESSION_KEY, None)
    return path
