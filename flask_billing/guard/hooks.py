"""Watches every way in which SQLAlchemy creates rows.

Two hooks work together. Before a flush, all its billable rows are judged by one statement, and
what was granted is noted. Before any INSERT or UPDATE on a guarded table, the noted rows are
counted off; whatever was not judged before (bulk methods, Core statements, rows that only learn
their project while flushing) is judged now. What the second hook sees is what is written, so the
first one can only save statements, never open a way around.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy import Compiled, Connection, Insert, Table, Update, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.orm import PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history

from flask_billing import projects
from flask_billing.errors import PaymentMethodRequired
from flask_billing.guard.decisions import Demand, enforce, may_unborn
from flask_billing.guard.reading import UNKNOWN, projects_written
from flask_billing.guard.resources import Guarded, guarded_tables, models, words_for
from flask_billing.state import current

__all__ = ["listen"]


@dataclass
class _Granted:
    """What the flush in progress may create, and has not created yet."""

    rows: Counter[tuple[Table, Any]] = field(default_factory=Counter)
    #: For projects that get their key in this very flush.
    unborn: list[tuple[Any, Table]] = field(default_factory=list)

    def take(self, table: Table, key: Any, count: int) -> int:
        """Count off `count` rows and return how many of them were not granted."""
        self._name_newborn()
        taken = min(count, self.rows[table, key])
        self.rows[table, key] -= taken
        return count - taken

    def _name_newborn(self) -> None:
        for project, table in self.unborn[:]:
            key = inspect(project).dict.get(_key_attribute())
            if key is not None:
                self.rows[table, key] += 1
                self.unborn.remove((project, table))


_granted: ContextVar[_Granted | None] = ContextVar("flask_billing_granted", default=None)


def listen() -> None:
    """Put the hooks in place, for every session and every engine of the process."""
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "after_flush", _forget)
    event.listen(Session, "after_soft_rollback", _forget)
    event.listen(Session, "after_transaction_end", _forget)
    event.listen(Engine, "before_execute", _before_execute)


def _forget(session: Session, *_: Any) -> None:
    _granted.set(None)


def _before_flush(session: Session, *_: Any) -> None:
    tables = guarded_tables()
    if not tables:
        return
    granted = _Granted()
    wanted: dict[Any, Counter[type[Any]]] = defaultdict(Counter)
    unborn: dict[Any, Counter[type[Any]]] = defaultdict(Counter)
    for row, guarded, project in _rows_to_judge(session, tables):
        if not current().settings.enabled:
            return
        key, newborn = _identify(session, project)
        if newborn is not None:
            granted.unborn.append((newborn, _table_of(guarded)))
            unborn[newborn][type(row)] += 1
        else:
            granted.rows[_table_of(guarded), key] += 1
            wanted[key][type(row)] += 1
    _judge_unborn(session, unborn)
    if wanted:
        load = partial(session.get, projects.model())
        _judge(projects.connection(session), wanted, load)
    _granted.set(granted)


def _rows_to_judge(
    session: Session, tables: Mapping[Table, Guarded]
) -> Iterator[tuple[Any, Guarded, Any]]:
    """Yield each row to create or move, with its project or the project's key.

    Rows whose project only becomes known while flushing are left to the other hook.
    """
    kinds = tuple(models())
    for find_project, rows in ((_project_of_new, session.new), (_project_moved_to, session.dirty)):
        for row in rows:
            if not isinstance(row, kinds):
                continue
            guarded = tables[inspect(row).mapper.columns["project_id"].table]
            project = None if guarded.free else find_project(row, guarded)
            if project is not None:
                yield row, guarded, project


def _project_of_new(row: Any, guarded: Guarded) -> Any:
    values = inspect(row).dict
    project = values.get(guarded.project_attribute) if guarded.project_attribute else None
    return project if project is not None else values.get(guarded.key_attribute)


def _project_moved_to(row: Any, guarded: Guarded) -> Any:
    for attribute in (guarded.project_attribute, guarded.key_attribute):
        if attribute is not None:
            added = get_history(row, attribute, passive=PassiveFlag.PASSIVE_NO_INITIALIZE).added
            if added and added[0] is not None:
                return added[0]
    return None


def _identify(session: Session, project: Any) -> tuple[Any, Any | None]:
    """Return a project's key, and the project itself where it is not in the database yet."""
    model = projects.model()
    if isinstance(project, model):
        state = inspect(project)
        return (state.identity[0], None) if state.identity else (None, project)
    key = _normal(project)
    for other in session.new:
        if isinstance(other, model) and inspect(other).dict.get(_key_attribute()) == key:
            return key, other
    return key, None


def _normal(key: Any) -> Any:
    try:
        return projects.normal_key(key)
    except (TypeError, ValueError):
        raise PaymentMethodRequired(project_key=str(key)) from None


def _judge(
    connection: Connection, wanted: Mapping[Any, Counter[type[Any]]], load: Callable[[Any], Any]
) -> None:
    demands = {
        str(key): [Demand(model, n) for model, n in counts.items() if not model.billing_free]
        for key, counts in wanted.items()
    }
    keys = {str(key): key for key in wanted if demands[str(key)]}
    if keys:
        enforce(connection, keys, demands, load)


def _judge_unborn(session: Session, wanted: Mapping[Any, Counter[type[Any]]]) -> None:
    for project, counts in wanted.items():
        for model, count in counts.items():
            if not model.billing_free and not may_unborn(session, project, Demand(model, count)):
                raise PaymentMethodRequired(resource=words_for(model))


def _before_execute(
    connection: Connection,
    statement: Any,
    multiparams: Sequence[Mapping[str, Any]],
    params: Mapping[str, Any],
    execution_options: Any,
) -> None:
    if isinstance(statement, Compiled):
        statement = statement.statement
    if not isinstance(statement, Insert | Update):
        return
    guarded = guarded_tables().get(statement.table)  # type: ignore[call-overload]
    if guarded is None or guarded.free or not current().settings.enabled:
        return
    rows = multiparams or [params]
    written = projects_written(statement, guarded.project_column, rows)
    if not written:
        return
    if UNKNOWN in written:
        raise PaymentMethodRequired(
            f"The projects of this statement on {_table_of(guarded).name} can't be known before "
            "it runs, so it is refused. Name the project of each row.",
            resource=words_for(guarded.model),
        )
    _judge_rest(connection, guarded, _count_off(guarded, written), isinstance(statement, Insert))


def _count_off(guarded: Guarded, written: Counter[Any]) -> Counter[Any]:
    """Return the rows for each project that the flush in progress was not granted."""
    granted = _granted.get()
    if granted is None:
        return written
    table = _table_of(guarded)
    return +Counter({key: granted.take(table, key, count) for key, count in written.items()})


def _judge_rest(
    connection: Connection, guarded: Guarded, rest: Counter[Any], countable: bool
) -> None:
    """Judge what no flush was granted; an UPDATE may touch any number of rows."""
    if not rest:
        return
    demands = {
        str(key): [Demand(guarded.model, count if countable else None)]
        for key, count in rest.items()
    }
    state = current()
    if connection.engine.pool is not state.db.engine.pool:
        connection = projects.connection()

    def load(key: Any) -> Any:
        # A session of its own: the host's may be in the middle of the flush that led here.
        with Session(bind=connection, join_transaction_mode="rollback_only") as session:
            return session.get(projects.model(), key)

    enforce(connection, {str(key): key for key in rest}, demands, load)


def _key_attribute() -> str:
    key: str = projects.model().__mapper__.get_property_by_column(projects.primary_key()).key
    return key


def _table_of(guarded: Guarded) -> Table:
    table: Table = guarded.project_column.table
    return table
