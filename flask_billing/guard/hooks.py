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

from sqlalchemy import Compiled, Connection, Insert, Update, event, inspect
from sqlalchemy.engine import Engine
from sqlalchemy.orm import InstanceState, Mapper, PassiveFlag, Session
from sqlalchemy.orm.attributes import get_history

from flask_billing import projects
from flask_billing.errors import PaymentMethodRequired
from flask_billing.guard.decisions import Demand, enforce, may_unborn
from flask_billing.guard.reading import UNKNOWN, is_countable, projects_written, tables_written
from flask_billing.guard.resources import (
    Guarded,
    TableName,
    guarded_table,
    is_marked,
    models,
    placement,
    words_for,
)
from flask_billing.state import current

__all__ = ["listen"]

Wanted = dict[Any, Counter[type[Any]]]


@dataclass
class _Granted:
    """What the flush in progress may create, and has not created yet."""

    rows: Counter[tuple[TableName, Any]] = field(default_factory=Counter)
    #: For projects that get their key in this very flush.
    unborn: list[tuple[InstanceState[Any], TableName]] = field(default_factory=list)

    def take(self, table: TableName, key: Any, count: int) -> int:
        """Count off `count` rows and return how many of them were not granted."""
        self._name_newborn()
        taken = min(count, self.rows[table, key])
        self.rows[table, key] -= taken
        return count - taken

    def _name_newborn(self) -> None:
        for project, table in self.unborn[:]:
            key = project.dict.get(projects.key_attribute())
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
    event.listen(Engine, "before_cursor_execute", _before_cursor_execute)


def _forget(session: Session, *_: Any) -> None:
    _granted.set(None)


def _before_flush(session: Session, *_: Any) -> None:
    if not models():
        return
    granted = _Granted()
    wanted: Wanted = defaultdict(Counter)
    unborn: Wanted = defaultdict(Counter)
    newborn = _Newborn(session)
    for row, guarded, project in _rows_with_projects(session):
        if not current().settings.enabled:
            return
        key, project_state = newborn.identify(project)
        judged = is_marked(row.mapper) and not row.class_.billing_free
        if project_state is not None:
            granted.unborn.append((project_state, guarded.name))
            unborn[project_state][row.class_] += judged
        else:
            granted.rows[guarded.name, key] += 1
            wanted[key][row.class_] += judged
    _judge_unborn(session, unborn)
    demands = _demands(wanted)
    if demands:
        load = partial(session.get, projects.model())
        keys = {str(key): key for key in wanted if str(key) in demands}
        enforce(projects.connection(session), keys, demands, load, relinked=_relinked(session))
    _granted.set(granted)


def _rows_with_projects(
    session: Session,
) -> Iterator[tuple[InstanceState[Any], Guarded, Any]]:
    """Yield each row to create or move, with its project or the project's key.

    Rows whose project only becomes known while flushing are left to the other hook.
    """
    for find_project, rows in ((_project_of_new, session.new), (_project_moved_to, session.dirty)):
        for row in rows:
            state: InstanceState[Any] = inspect(row)
            guarded = placement(state.mapper)
            if guarded is None or guarded.free:
                continue
            project = find_project(state, guarded)
            if project is not None:
                yield state, guarded, project


def _project_of_new(row: InstanceState[Any], guarded: Guarded) -> Any:
    project = row.dict.get(guarded.project_attribute) if guarded.project_attribute else None
    return project if project is not None else row.dict.get("project_id")


def _project_moved_to(row: InstanceState[Any], guarded: Guarded) -> Any:
    for attribute in (guarded.project_attribute, "project_id"):
        if attribute is not None and attribute in row.mapper.attrs:
            added = _added(row.obj(), attribute)
            if added and added[0] is not None:
                return added[0]
    return None


def _added(row: Any, attribute: str) -> Sequence[Any]:
    found: Any = get_history(row, attribute, passive=PassiveFlag.PASSIVE_NO_INITIALIZE).added
    return found or ()


class _Newborn:
    """The projects of a session that are not in the database yet."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._by_key: dict[Any, InstanceState[Any]] | None = None

    def identify(self, project: Any) -> tuple[Any, InstanceState[Any] | None]:
        """Return a project's key, and its state where it is not in the database yet."""
        if isinstance(project, projects.model()):
            state: InstanceState[Any] = inspect(project)
            return (state.identity[0], None) if state.identity else (None, state)
        try:
            key = projects.normal_key(project)
        except (TypeError, ValueError):
            raise PaymentMethodRequired(project_key=str(project)[:255]) from None
        return key, self._found().get(key)

    def _found(self) -> dict[Any, InstanceState[Any]]:
        if self._by_key is None:
            model, attribute = projects.model(), projects.key_attribute()
            states = [inspect(row) for row in self._session.new if isinstance(row, model)]
            self._by_key = {state.dict.get(attribute): state for state in states}
        return self._by_key


def _relinked(session: Session) -> dict[str, Any]:
    """Return the projects whose billing info this flush changes, by key.

    The database still has the old one, and who pays is decided by the new one.
    """
    model = projects.model()
    return {
        projects.key_of(row): row
        for row in session.dirty
        if isinstance(row, model)
        and any(
            get_history(row, attribute, passive=PassiveFlag.PASSIVE_NO_INITIALIZE).has_changes()
            for attribute in ("billing_info", "billing_info_id")
        )
    }


def _demands(wanted: Mapping[Any, Counter[type[Any]]]) -> dict[str, list[Demand]]:
    found = {
        str(key): [Demand(model, count) for model, count in counts.items() if count]
        for key, counts in wanted.items()
    }
    return {key: demands for key, demands in found.items() if demands}


def _judge_unborn(session: Session, wanted: Wanted) -> None:
    for state, counts in wanted.items():
        for model, count in counts.items():
            if count and not may_unborn(session, state.obj(), Demand(model, count)):
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
    if mapper is not None and placement(mapper) is guarded:
        return is_marked(mapper) and not mapper.class_.billing_free
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
    told = mapper is not None and is_marked(mapper)
    model = mapper.class_ if mapper is not None and told else guarded.model
    # Without knowing the model, no free quantity of one of them can be meant.
    countable = is_countable(statement) and (told or not guarded.shared)
    demands = {str(key): [Demand(model, n if countable else None)] for key, n in rest.items()}
    connection = _connection_for(connection)
    enforce(connection, {str(key): key for key in rest}, demands, _loader(connection))


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
