"""Goes through what we have: which of it belongs to resources and projects that are gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Select, false, select
from sqlalchemy.orm import Mapper, Session

from flask_billing import projects
from flask_billing.metering import applying, births
from flask_billing.metering.reconciling.drifts import (
    PAGE,
    Drift,
    begin_write,
    key_value,
    persistently,
)
from flask_billing.metering.resources import Reference
from flask_billing.models import BilledProjectRow, BillingPause, BillingRecord, table_of

__all__ = ["gone_projects", "orphans", "projects_back", "unknown"]


def gone_projects(
    factory: Callable[[], Session], project_key: str | None, *, mend: bool
) -> Iterator[tuple[int, list[Drift]]]:
    """Yield how many projects were looked at, and which of them the host has no more."""
    running = table_of(BilledProjectRow).c.ended_at.is_(None)
    for keys in _pages_of_keys(factory, running, project_key):
        with factory() as session:
            gone = _absent_projects(session, keys)
        if gone and mend:
            gone = persistently(partial(_end, factory, gone))
        yield len(keys), [Drift("project_gone", key, mended=mend) for key in gone]


def projects_back(
    factory: Callable[[], Session], project_key: str | None, *, mend: bool
) -> Iterator[tuple[int, list[Drift]]]:
    """Yield how many projects that ended were looked at, and which keys the host uses again."""
    ended = table_of(BilledProjectRow).c.ended_at.is_not(None)
    for keys in _pages_of_keys(factory, ended, project_key):
        with factory() as session:
            back = _present_projects(session, keys)
        if back and mend:
            back = persistently(partial(_begin_again, factory, back))
        yield len(keys), [Drift("project_back", key, mended=mend) for key in back]


def _pages_of_keys(
    factory: Callable[[], Session], wanted: ColumnElement[bool], project_key: str | None
) -> Iterator[list[str]]:
    column, after = table_of(BilledProjectRow).c.project_key, ""
    query = select(column).where(wanted).order_by(column).limit(PAGE)
    if project_key is not None:
        query = query.where(column == project_key)
    while True:
        with factory() as session:
            keys = list(projects.connection(session).scalars(query.where(column > after)))
        if not keys:
            return
        yield keys
        after = keys[-1]


def _end(factory: Callable[[], Session], keys: Sequence[str]) -> list[str]:
    with factory() as session:
        begin_write(session)
        gone = _absent_projects(session, keys)
        for key in gone:
            births.end(projects.connection(session), key)
        session.commit()
    return gone


def _begin_again(factory: Callable[[], Session], keys: Sequence[str]) -> list[str]:
    row = table_of(BilledProjectRow)
    still = select(row.c.project_key).where(
        row.c.project_key.in_(keys), row.c.ended_at.is_not(None)
    )
    with factory() as session:
        begin_write(session)
        connection = projects.connection(session)
        locked = connection.scalars(still.order_by(row.c.project_key).with_for_update()).all()
        back = _present_projects(session, locked)
        for key in back:
            births.begin_again(connection, key)
        session.commit()
    return back


def _present_projects(session: Session, keys: Sequence[str]) -> list[str]:
    absent = set(_absent_projects(session, keys))
    return [key for key in keys if key not in absent]


def _absent_projects(session: Session, keys: Iterable[str]) -> list[str]:
    column = projects.primary_key()
    values = {key: value for key in keys if (value := key_value(column, key)) is not None}
    host: Mapper[Any] = projects.model().__mapper__
    connection = session.connection(bind_arguments={"mapper": host})
    found = set(connection.scalars(select(column).where(column.in_(values.values()))))
    return [key for key in keys if values.get(key) not in found]


def orphans(
    factory: Callable[[], Session],
    kind: str,
    mappers: Sequence[Mapper[Any]],
    project_key: str | None,
    *,
    mend: bool,
) -> Iterator[tuple[int, list[Drift]]]:
    """Yield how many resources of a table run or are paused, and which of them are gone."""
    for names in _names(kind, project_key):
        after = ""
        while True:
            with factory() as session:
                page = names(after)
                found = projects.connection(session).execute(page).all()
                if not found:
                    break
                projects_of = {row.resource_id: row.project_key for row in found}
                gone = _absent(session, mappers, projects_of)
            if gone:
                look = partial(_still_gone, factory, kind, mappers, gone, page, mend=mend)
                gone = persistently(look)
            drifts = [Drift("orphaned", projects_of[id_], kind, id_, mended=mend) for id_ in gone]
            yield len(projects_of), drifts
            after = found[-1].resource_id


def _still_gone(
    factory: Callable[[], Session],
    kind: str,
    mappers: Sequence[Mapper[Any]],
    ids: Sequence[str],
    page: Select[Any],
    *,
    mend: bool,
) -> list[str]:
    """Look again, because what was deleted meanwhile does not run any more, and mend it."""
    with factory() as session:
        begin_write(session)
        connection = projects.connection(session)
        still = {row.resource_id for row in connection.execute(page)}
        gone = [id_ for id_ in _absent(session, mappers, ids) if id_ in still]
        if mend and gone:
            applying.end(connection, [Reference(kind, id_) for id_ in gone])
            session.commit()
    return gone


def _names(kind: str, project_key: str | None) -> Iterator[Callable[[str], Select[Any]]]:
    """Yield queries for the next resources that running records, and then pauses, name."""
    record, pause = table_of(BillingRecord), table_of(BillingPause)
    running = (
        select(record.c.resource_id, record.c.project_key)
        .distinct()
        .where(record.c.open_marker == 1, record.c.resource_type == kind)
    )
    if project_key is not None:
        running = running.where(record.c.project_key == project_key)
    yield (
        lambda after: (
            running.where(record.c.resource_id > after).order_by(record.c.resource_id).limit(PAGE)
        )
    )
    if project_key is None:
        # What takes the key of such a one would never be billed.
        paused = select(pause.c.resource_id, false().label("project_key"))
        yield (
            lambda after: (
                paused.where(pause.c.resource_type == kind, pause.c.resource_id > after)
                .order_by(pause.c.resource_id)
                .limit(PAGE)
            )
        )


def _absent(session: Session, mappers: Sequence[Mapper[Any]], ids: Iterable[str]) -> list[str]:
    """Return those that are the key of no living row."""
    wanted = set(ids)
    for mapper in mappers:
        key = mapper.primary_key[0]
        values = [value for id_ in wanted if (value := key_value(key, id_)) is not None]
        found = session.scalars(select(key).select_from(mapper).where(key.in_(values)))
        wanted -= {str(value) for value in found}
    return sorted(wanted)


def unknown(factory: Callable[[], Session], kinds: Iterable[str]) -> list[Drift]:
    """Return the tables that running records name and no model has; they are left to a person."""
    record = table_of(BillingRecord)
    named = select(record.c.resource_type).distinct().where(record.c.open_marker == 1)
    with factory() as session:
        found = projects.connection(session).scalars(
            named.where(record.c.resource_type.not_in(sorted(kinds)))
        )
        return [Drift("unknown", None, kind) for kind in sorted(found)]
