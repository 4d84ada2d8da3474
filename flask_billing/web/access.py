"""Says whose pages these are, and who asks; what a page looks up goes through its project."""

from __future__ import annotations

from typing import Any

from flask import abort

from flask_billing import projects, signing
from flask_billing.state import current

__all__ = ["actor_id", "can_manage", "project_of"]


def project_of(project_id: Any, *, to_change: bool = False) -> Any:
    """Return the project that the host's loader finds for this person.

    :param to_change: The person also has to be one who manages its billing; else 403.
    """
    project = projects.load(str(project_id))
    if to_change and not can_manage(project):
        abort(403)
    return project


def can_manage(project: Any) -> bool:
    """Return whether the person may change the billing of `project`, as the host says."""
    return bool(current().hooks.can_manage(project))


def actor_id() -> str | None:
    """Return the host's id of the person who asks, as its `actor` hook gives it.

    :raises ValueError: What the hook gives could be personal data.
    """
    who = current().hooks.actor()
    made_by = str(who) if who is not None else None
    signing.check("none", made_by)
    return made_by
