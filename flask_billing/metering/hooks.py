"""Meters what the unit of work does, in its own flush and without asking the database first."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

from sqlalchemy import Connection, event, inspect, select
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Mapper, PassiveFlag, Session, object_session
from sqlalchemy.orm.attributes import get_history

from flask_billing import projects
from flask_billing.metering import applying, locking, pausing, resources, spans
from flask_billing.metering.deferring import refuse_bulk, refuse_statement
from flask_billing.metering.resources import Reference, Wanted, reference_of, wanted_by
from flask_billing.models import BilledProjectRow
from flask_billing.state import State, current

__all__ = ["listen", "listen_last", "living"]

#: So many rows of a project are read at a time.
_PAGE = 500


class _Changes:
    """What a flush has done so far."""

    __slots__ = ("billable", "born", "changed", "gone", "left", "locked", "renamed")

    def __init__(self, locked: set[str]) -> None:
        #: Keys of the projects that are locked already.
        self.locked = locked
        self.born: list[Any] = []
        self.changed: list[Any] = []
        self.gone: list[Reference] = []
        #: What resources were named by before their key changed, and what they are now.
        self.renamed: dict[Reference, Reference] = {}
        #: Keys of the projects that rows were moved away from, or deleted in.
        self.left: set[str] = set()
        #: Keys of the projects that became internal, or ceased to be.
        self.billable: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self.born or self.changed or self.gone or self.billable)


#: The flushes in progress, by the id of their session. A session may flush inside of another's.
_flushes: ContextVar[Mapping[int, _Changes]] = ContextVar("flask_billing_flushes")


def listen(resource: type[Any]) -> None:
    """Put the hooks in place, for every session and every engine of the process.

    :param resource: The mixin of billable resources.
    """
    event.listen(Session, "before_flush", locking.before_flush)
    event.listen(Session, "after_flush", _after_flush)
    event.listen(Session, "after_soft_rollback", _forget)
    event.listen(Session, "after_transaction_end", _forget)
    event.listen(Session, "do_orm_execute", refuse_statement)
    event.listen(Engine, "before_execute", _before_execute)
    event.listen(resource, "after_insert", _inserted, propagate=True)
    event.listen(resource, "after_update", _updated, propagate=True)
    event.listen(resource, "after_delete", _deleted, propagate=True)
    event.listen(BilledProjectRow, "after_update", _project_row_updated)


def listen_last() -> None:
    """Put in place what has to come after the guard, whose refusal is the end of a flush."""
    event.listen(Session, "before_flush", _before_flush)


def _before_flush(session: Session, *_: Any) -> None:
    _flushes.set({**_flushes.get({}), id(session): _Changes(locking.taken(session))})


def _forget(session: Session, *_: Any) -> None:
    flushes = _flushes.get({})
    if id(session) in flushes:
        _flushes.set({key: changes for key, changes in flushes.items() if key != id(session)})


def _changes_of(row: Any) -> _Changes:
    return _flushes.get({})[id(object_session(row))]


def _inserted(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    if resources.is_metered(row):
        _changes_of(row).born.append(row)


def _updated(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    session = object_session(row)
    if session is None or not resources.is_metered(row) or not session.is_modified(row):
        return
    changes = _changes_of(row)
    changes.changed.append(row)
    former = resources.former_reference_of(row)
    if former is not None:
        changes.gone.append(former)
        changes.renamed[former] = reference_of(row)
    left = get_history(row, "project_id", PassiveFlag.PASSIVE_NO_INITIALIZE).deleted or ()
    changes.left.update(str(key) for key in left if key is not None)


def _deleted(mapper: Mapper[Any], connection: Connection, row: Any) -> None:
    if resources.is_metered(row):
        changes = _changes_of(row)
        changes.gone.append(reference_of(row))
        # As far as it is known; nothing is read for a lock.
        key = inspect(row).dict.get("project_id")
        changes.left.update(() if key is None else (str(key),))


def _project_row_updated(
    mapper: Mapper[Any], connection: Connection, row: BilledProjectRow
) -> None:
    if inspect(row).attrs.billable.history.has_changes():
        _changes_of(row).billable[row.project_key] = row.billable


def _before_execute(
    connection: Connection,
    statement: Any,
    multiparams: Any,
    params: Any,
    execution_options: Mapping[str, Any],
) -> None:
    if not _flushes.get({}):
        refuse_bulk(statement, execution_options)


def _after_flush(session: Session, *_: Any) -> None:
    changes = _flushes.get({}).get(id(session))
    if not changes:
        _forget(session)
        return
    state = current()
    if state.settings.enabled:
        _meter(session, state, changes)
    else:
        pausing.remember(session, changes.born)
    _forget(session)


def _meter(session: Session, state: State, changes: _Changes) -> None:
    book = state.settings.rates
    connection = projects.connection(session)
    paused = pausing.remember(session, changes.born)
    born = [wanted_by(row, book) for row in changes.born if row not in paused]
    changed = [wanted_by(row, book) for row in changes.changed]
    keys = {wanted.project_key for wanted in (*born, *changed) if wanted.project_key is not None}
    # The order in which everyone locks: projects, rates, records.
    spans.lock(connection, (keys | changes.left | set(changes.billable)) - changes.locked)
    applying.write_down_rates(connection, [*born, *changed])
    pausing.follow(connection, changes.renamed)
    applying.apply(connection, born=born, changed=changed, gone=changes.gone)
    _follow_projects(session, connection, changes.billable)


def _follow_projects(
    session: Session, connection: Connection, billable: Mapping[str, bool]
) -> None:
    """End all that runs for projects that became internal, and begin where one ceased to be."""
    internal = [key for key, is_billable in billable.items() if not is_billable]
    if internal:
        spans.close_of_projects(connection, internal)
    for key in sorted(set(billable) - set(internal)):
        for page in living(session, key):
            applying.write_down_rates(connection, page)
            applying.change(connection, page)


def living(session: Session, key: str) -> Iterator[list[Wanted]]:
    """Yield what the resources of a project want, a page at a time.

    They are read in a session of their own: this one may be in the middle of a flush. They are
    locked, because who is changing one of them may have seen the project as it was.
    """
    book = current().settings.rates
    for mapper in resources.mappers():
        bind = session.connection(bind_arguments={"mapper": mapper})
        with Session(bind=bind, join_transaction_mode="rollback_only") as reading:
            of_project = select(mapper).where(
                mapper.columns["project_id"] == projects.normal_key(key)
            )
            locked = of_project.order_by(mapper.primary_key[0]).with_for_update(of=mapper.tables)
            rows: Iterable[Any] = reading.scalars(locked.execution_options(yield_per=_PAGE))
            for page in rows.partitions(_PAGE):  # type: ignore[attr-defined]
                yield [wanted_by(row, book) for row in page]
