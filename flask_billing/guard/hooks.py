"""Watches every way in which SQLAlchemy creates rows.

Two hooks work together. Before a flush, all its billable rows are judged by one statement, and
what was granted is noted. Before any INSERT or UPDATE on a guarded table, the noted rows are
counted off; whatever was not judged before (bulk methods, Core statements, rows that only learn
their project while flushing) is judged now. What the second hook sees is what is written, so the
first one can only save statements, never open a way around.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from typing import Any

from sqlalchemy import Compiled, Connection, Insert, Update, event
from sqlalchemy.engine import Engine
from sqlalchemy.orm import InstanceState, Mapper, PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history, instance_state

from flask_billing import projects
from flask_billing.errors import PaymentMethodRequired
from flask_billing.guard.decisions import Demand, enforce, may_unborn
from flask_billing.guard.reading import UNKNOWN, is_countable, projects_written, tables_written
from flask_billing.guard.resources import (
    Guarded,
    TableName,
    guarded_table,
    is_judged,
    placement,
    words_for,
)
from flask_billing.state import current

__all__ = ["listen"]

#: For each project's key, or state where it is not born yet, how many rows of each model.
_Wanted = dict[Any, dict[type[Any], int]]


class _Granted:
    """What the flush in progress may create, and has not created yet."""

    __slots__ = ("rows", "unborn")

    def __init__(self) -> None:
        self.rows: dict[tuple[TableName, Any], int] = {}
        #: For projects that get their key in this very flush.
        self.unborn: list[tuple[InstanceState[Any], TableName]] = []

    def add(self, table: TableName, key: Any, count: int) -> None:
        place = table, key
        self.rows[place] = self.rows.get(place, 0) + count

    def take(self, table: TableName, key: Any, count: int) -> int:
        """Count off `count` rows and return how many of them were not granted."""
        if self.unborn:
            self._name_newborn()
        taken = min(count, self.rows.get((table, key), 0))
        self.add(table, key, -taken)
        return count - taken

    def _name_newborn(self) -> None:
        for project, table in self.unborn[:]:
            key = project.dict.get(projects.key_attribute())
            if key is not None:
                self.add(table, key, 1)
                self.unborn.remove((project, table))


_granted: ContextVar[_Granted | None] = ContextVar("flask_billing_granted", default=None)


def listen() -> None:
    """Put the hooks in place, for every session and every engine of the process."""
    event.listen(Session, "before_flush", _before_flush)
    event.listen(Session, "after_flush", _forget)
    event.listen(Session, "after_soft_rollback", _forget)
    event.listen(Session, "after_transaction_end", _forget)
    event.listen(Engine, "before_execute", _before_execute)
    event.listen(Engine, "before_cursor_execute", _before_cursor_execute)


def _forget(session: Session, *_: Any) -> None:
    _granted.set(None)


def _before_flush(session: Session, *_: Any) -> None:
    new, dirty = session.new, session.dirty
    rows = _rows_with_projects(new, dirty)
    if not rows:
        return
    state = current()
    if not state.settings.enabled:
        return
    granted = _Granted()
    wanted: _Wanted = {}
    unborn: _Wanted = {}
    newborn = _newborn(new)
    for (model, guarded, project), count in rows.items():
        key, project_state = _identified(project, newborn)
        if project_state is None:
            granted.add(guarded.name, key, count)
        else:
            granted.unborn += [(project_state, guarded.name)] * count
        if is_judged(model):
            counts = (wanted if project_state is None else unborn).setdefault(
                project_state or key, {}
            )
            counts[model] = counts.get(model, 0) + count
    if unborn:
        _judge_unborn(session, unborn)
    if wanted:
        keys = {str(key): key for key in wanted}
        demands = {str(key): [Demand(*c) for c in counts.items()] for key, counts in wanted.items()}
        load = partial(session.get, projects.model())
        connection = projects.connection(session)
        enforce(state, connection, keys, demands, load, relinked=_relinked(dirty))
    _granted.set(granted)


def _rows_with_projects(
    new: Iterable[Any], dirty: Iterable[Any]
) -> dict[tuple[type[Any], Guarded, Any], int]:
    """Count the rows to create or move by their model and their project's state or key.

    Rows whose project only becomes known while flushing are left to the other hook.
    """
    found: dict[tuple[type[Any], Guarded, Any], int] = {}
    for find_project, rows in ((_project_of_new, new), (_project_moved_to, dirty)):
        for row in rows:
            guarded = placement(type(row))
            project = guarded and find_project(instance_state(row), guarded)
            if guarded is not None and project is not None:
                kind = type(row), guarded, _normal(project)
                found[kind] = found.get(kind, 0) + 1
    return found


def _project_of_new(row: InstanceState[Any], guarded: Guarded) -> Any:
    project = row.dict.get(guarded.project_attribute)
    return row.dict.get("project_id") if project is None else instance_state(project)


def _project_moved_to(row: InstanceState[Any], guarded: Guarded) -> Any:
    project = _moved_by(row, guarded.project_attribute)
    return _moved_by(row, "project_id") if project is None else instance_state(project)


def _normal(project: Any) -> Any:
    """Return a project's state as it is, and a key as the database will read it."""
    if isinstance(project, InstanceState):
        return project
    try:
        return projects.normal_key(project)
    except (TypeError, ValueError):
        raise PaymentMethodRequired(project_key=str(project)[:255]) from None


def _moved_by(row: InstanceState[Any], attribute: str) -> Any:
    if attribute not in row.mapper.attrs:
        return None
    added: Any = get_history(row.obj(), attribute, PassiveFlag.PASSIVE_NO_INITIALIZE).added
    return added[0] if added else None


def _newborn(new: Iterable[Any]) -> dict[Any, InstanceState[Any]]:
    """Return the projects that are not in the database yet, by the key where they have one."""
    model, attribute = projects.model(), projects.key_attribute()
    states = [instance_state(row) for row in new if isinstance(row, model)]
    return {state.dict.get(attribute): state for state in states}


def _identified(
    project: Any, newborn: Mapping[Any, InstanceState[Any]]
) -> tuple[Any, InstanceState[Any] | None]:
    """Return the key for a project's state or key, and its state where it is not born yet."""
    if isinstance(project, InstanceState):
        return (project.identity[0], None) if project.identity else (None, project)
    return project, newborn.get(project)


def _relinked(dirty: Iterable[Any]) -> dict[str, Any]:
    """Return the projects whose billing info this flush changes, by key.

    The database still has the old one, and who pays is decided by the new one.
    """
    model = projects.model()
    return {
        projects.key_of(row): row
        for row in dirty
        if isinstance(row, model)
        and any(
            get_history(row, attribute, PassiveFlag.PASSIVE_NO_INITIALIZE).has_changes()
            for attribute in ("billing_info", "billing_info_id")
        )
    }


def _judge_unborn(session: Session, wanted: _Wanted) -> None:
    for state, counts in wanted.items():
        for model, count in counts.items():
            if not may_unborn(session, state.obj(), Demand(model, count)):
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
    if _is_granted(statement, multiparams, params):
        return
    subject = statement._propagate_attrs.get("plugin_subject")
    mapper: Mapper[Any] | None = getattr(subject, "mapper", None)
    tables = [statement.table] if isinstance(statement, Insert) else tables_written(statement)
    for guarded in {guarded_table(table) for table in tables}:
        if guarded is not None and _is_watched(guarded, mapper):
            rows = multiparams or [params]
            written = projects_written(statement, guarded.project_column, rows)
            _judge_written(connection, statement, guarded, mapper, written)


def _is_watched(guarded: Guarded, mapper: Mapper[Any] | None) -> bool:
    """Return whether new rows of a table are judged, made by a statement for `mapper`, if any."""
    if guarded.free:
        return False
    if mapper is not None and placement(mapper.class_) is guarded:
        return is_judged(mapper.class_)
    return True


def _is_granted(
    statement: Insert | Update, multiparams: Sequence[Mapping[str, Any]], params: Mapping[str, Any]
) -> bool:
    """Count off what a flush inserts in the plainest way: one row that it was granted."""
    granted = _granted.get()
    if granted is None or multiparams or not isinstance(statement, Insert):
        return False
    if statement.select is not None:
        return False
    guarded = guarded_table(statement.table)
    if guarded is None or statement._values or statement._multi_values:
        return False
    place = guarded.name, params.get(guarded.project_column.key)
    if statement._post_values_clause is not None or not granted.rows.get(place):
        return False
    granted.rows[place] -= 1
    return True


def _judge_written(
    connection: Connection,
    statement: Insert | Update,
    guarded: Guarded,
    mapper: Mapper[Any] | None,
    written: Counter[Any],
) -> None:
    """Judge what a statement writes beyond what the flush in progress was granted."""
    rest = _count_off(guarded, written)
    if not rest or not current().settings.enabled:
        return
    if UNKNOWN in rest:
        _refuse_unknown(guarded)
    told = mapper is not None and is_judged(mapper.class_)
    model = mapper.class_ if mapper is not None and told else guarded.model
    # Without knowing the model, no free quantity of one of them can be meant.
    countable = is_countable(statement) and (told or not guarded.shared)
    demands = {str(key): [Demand(model, n if countable else None)] for key, n in rest.items()}
    connection = _connection_for(connection)
    keys = {str(key): key for key in rest}
    enforce(current(), connection, keys, demands, _loader(connection))


def _refuse_unknown(guarded: Guarded) -> None:
    raise PaymentMethodRequired(
        f"The projects of this statement on {guarded.name[1]} can't be known before it runs, so it "
        "is refused. Name the project of each row.",
        resource=words_for(guarded.model),
    )


def _count_off(guarded: Guarded, written: Counter[Any]) -> Counter[Any]:
    granted = _granted.get()
    if granted is None:
        return written
    return +Counter({key: granted.take(guarded.name, key, n) for key, n in written.items()})


def _connection_for(connection: Connection) -> Connection:
    """Return `connection` if it leads to the billing tables, and else one that does."""
    session = current().db.session
    ours = projects.bind_of(session)
    same = connection.engine.url == ours.engine.url
    return connection if same else projects.connection(session)


def _loader(connection: Connection) -> Callable[[Any], Any]:
    def load(key: Any) -> Any:
        # A session of its own: the host's may be in the middle of the flush that led here.
        with Session(bind=connection, join_transaction_mode="rollback_only") as session:
            return session.get(projects.model(), key)

    return load


def _before_cursor_execute(
    connection: Connection,
    cursor: Any,
    statement: str,
    parameters: Any,
    context: Any,
    executemany: bool,
) -> None:
    """Refuse rows that are created in a common table expression, where nobody else sees them."""
    for expression in getattr(getattr(context, "compiled", None), "ctes", None) or ():
        element = expression.element
        if isinstance(element, Insert | Update):
            for table in tables_written(element):
                guarded = guarded_table(table)
                if guarded is None or not _is_watched(guarded, None):
                    continue
                if _names(element, guarded) and current().settings.enabled:
                    _refuse_unknown(guarded)


def _names(statement: Insert | Update, guarded: Guarded) -> bool:
    """Return whether a statement creates rows or moves them to another project."""
    written = isinstance(statement, Insert)
    return written or bool(projects_written(statement, guarded.project_column, [{}]))
