"""Finds a project by the text of its key, whoever typed it."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import BigInteger, Connection, Integer, select

from flask_billing import projects
from flask_billing.errors import UnknownProject
from flask_billing.models import BilledProjectRow, table_of

__all__ = ["host_key", "is_storable", "require_known"]

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


def is_storable(text: str | None, length: int = 255) -> bool:
    """Return whether a text is one that every database keeps, and keeps apart from others."""
    if text is None or not 0 < len(text) <= length:
        return False
    return not (text[0].isspace() or text[-1].isspace() or _UNSTORABLE.search(text))


def host_key(text: str) -> Any:
    """Return the host's key for the text of it; `None` where its column has no room for it."""
    try:
        key = projects.normal_key(text)
    except (TypeError, ValueError, ArithmeticError):
        return None
    kind = projects.primary_key().type
    if isinstance(kind, Integer) and isinstance(key, int):
        bits = 63 if isinstance(kind, BigInteger) else 31
        return key if -(2**bits) <= key < 2**bits else None
    return key


def require_known(connection: Connection, project_key: str) -> bool:
    """Look whether there is a project, ours or the host's.

    :returns: Whether we have a row for it.
    :raises UnknownProject: Neither we nor the host know the key.
    """
    if is_storable(project_key):
        row = table_of(BilledProjectRow).c.project_key
        if connection.scalar(select(row).where(row == project_key)) is not None:
            return True
        key = host_key(project_key)
        if key is not None and connection.execute(projects.link_of(key)).one_or_none() is not None:
            return False
    raise UnknownProject(f"There is no project {project_key[:80]!r}.")
