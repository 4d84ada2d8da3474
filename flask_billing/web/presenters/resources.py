"""Counts what has to be paid for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from babel.lists import format_list
from sqlalchemy import func, select

from flask_billing import projects
from flask_billing.guard import models, words_for
from flask_billing.state import current
from flask_billing.web.i18n import gettext, locale, ngettext

__all__ = ["Kind", "costly_names", "kinds_of"]


@dataclass(frozen=True)
class Kind:
    """A kind of billable resource and how many this project has."""

    name: str
    count: int
    #: How far it is free; empty where it is not.
    note: str


def kinds_of(project: Any) -> list[Kind]:
    """Return the kinds of billable resources with this project's counts; one statement for all."""
    billable = models()
    if not billable:
        return []
    key = projects.normal_key(projects.key_of(project))
    counts = [
        select(func.count())
        .select_from(model)
        .where(model.project_id == key)
        .scalar_subquery()
        .label(f"kind_{number}")
        for number, model in enumerate(billable)
    ]
    found = current().db.session.execute(select(*counts)).one()
    return [
        Kind(words_for(model), count, _price_note(model))
        for model, count in zip(billable, found, strict=True)
    ]


def costly_names(kinds: Iterable[Kind]) -> str:
    """Return the names of the kinds of which not even the first is free, such as "a or b"."""
    names = [kind.name for kind in kinds if not kind.note]
    return format_list(names, style="or", locale=locale())


def _price_note(model: type[Any]) -> str:
    if model.billing_free:
        return gettext("free")
    if model.billing_free_quantity:
        return ngettext(
            "the first one is free", "the first %(num)s are free", model.billing_free_quantity
        )
    return ""
