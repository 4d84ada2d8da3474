"""Says what the host calls projects, beside their keys."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from flask_billing import projects
from flask_billing.keys import host_key
from flask_billing.state import current

__all__ = ["names_of"]

# How a select is typed differs between the releases of SQLAlchemy.
_Query = Any


def names_of(keys: Iterable[str]) -> Mapping[str, str]:
    """Return what the host calls projects, by their keys, read live.

    One statement where its project model has a `billing_label`, as resources can have, and none
    where it has not. What the host has deleted has no name.
    """
    model = projects.model()
    wanted = [key for text in set(keys) if (key := host_key(text)) is not None]
    if not wanted or getattr(model, "billing_label", None) is None:
        return {}
    query: _Query = select(model).where(projects.primary_key().in_(wanted))
    found = current().db.session.scalars(query)
    return {projects.key_of(each): str(each.billing_label) for each in found}
