"""Locks the projects of a flush before it writes anything, where the order matters: on MariaDB.

The host's row is written first otherwise, and its project locked after that; whoever creates
something in the project meanwhile has locked in the other order, and both wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy.orm import PassiveFlag, Session, object_mapper
from sqlalchemy.orm.attributes import get_history, instance_dict

from flask_billing import projects
from flask_billing.guard.resources import placement
from flask_billing.metering import resources, spans
from flask_billing.metering.standing import present
from flask_billing.models import BilledProjectRow
from flask_billing.state import state_of_app

__all__ = ["before_flush", "taken"]

_TAKEN = "flask_billing_locked"


def before_flush(session: Session, *_: Any) -> None:
    """Lock the projects of what is changed and deleted, and with them those of what is new."""
    session.info.pop(_TAKEN, None)
    keys = set(_touched(session))
    if not keys or not _is_on() or not spans.is_mariadb(projects.bind_of(session)):
        return
    keys |= {key for row in session.new for key in _keys_of(row)}
    connection = projects.connection(session)
    # Where a row is missing, the gap would be locked, which others may be about to fill.
    known = present(connection, keys)
    spans.lock(connection, known)
    session.info[_TAKEN] = known


def taken(session: Session) -> set[str]:
    """Return the keys of the projects that were locked before this flush."""
    keys: set[str] = session.info.pop(_TAKEN, set())
    return keys


def _is_on() -> bool:
    state = state_of_app()
    return state is not None and state.settings.enabled


def _touched(session: Session) -> Iterator[str]:
    for row in (*session.dirty, *session.deleted):
        if isinstance(row, BilledProjectRow):
            yield row.project_key
        elif resources.is_metered(row):
            yield from _keys_of(row)
    for row in session.deleted:
        if isinstance(row, projects.model()):
            yield projects.key_of(row)


def _keys_of(row: Any) -> Iterator[str]:
    """Yield the projects that a row belongs to, before and after, as far as that is known."""
    guarded = placement(type(row)) if resources.is_metered(row) else None
    if guarded is None:
        return
    keys = {instance_dict(row).get("project_id")}
    if "project_id" in object_mapper(row).attrs:
        keys.update(_before(row, "project_id"))
    project = instance_dict(row).get(guarded.project_attribute)
    if project is not None:
        keys.add(instance_dict(project).get(projects.key_attribute()))
    yield from (str(key) for key in keys if key is not None)


def _before(row: Any, attribute: str) -> Iterable[Any]:
    return get_history(row, attribute, PassiveFlag.PASSIVE_NO_INITIALIZE).deleted or ()
