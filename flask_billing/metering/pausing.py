"""Stops and starts the billing of a resource when the host says so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, Insert, inspect, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from flask_billing import clock, projects
from flask_billing.metering import applying, resources, spans
from flask_billing.metering.resources import Reference, reference_of, wanted_by
from flask_billing.models import BillingPause, table_of
from flask_billing.state import current

__all__ = ["follow", "remember", "start", "stop"]


def stop(resource: Any) -> None:
    """End what runs for a resource, and open nothing until :func:`start`."""
    if _is_unborn(resource):
        resource._paused_from_birth = True
        return
    session = _locked(resource)
    connection = projects.connection(session)
    reference = reference_of(resource)
    if current().settings.enabled:
        spans.close_of_resources(connection, [reference])
    _pause(connection, [reference])


def start(resource: Any) -> None:
    """Open what a resource wants, and meter it from now on."""
    resource._paused_from_birth = False
    if _is_unborn(resource):
        return
    session = _locked(resource)
    connection = projects.connection(session)
    spans.unpause(connection, [reference_of(resource)])
    settings = current().settings
    if settings.enabled:
        wanted = [wanted_by(resource, settings.rates)]
        applying.write_down_rates(connection, wanted)
        applying.change(connection, wanted)


def remember(session: Session, born: Iterable[Any]) -> list[Any]:
    """Write down which of the resources that were just created are not to be billed yet."""
    paused = [row for row in born if row._paused_from_birth]
    if paused:
        _pause(projects.connection(session), [reference_of(row) for row in paused])
    return paused


def follow(connection: Connection, renamed: Mapping[Reference, Reference]) -> None:
    """Have pauses go with the resources whose keys were changed."""
    pause = table_of(BillingPause)
    for former, reference in renamed.items():
        named = [pause.c[name] == value for name, value in former._asdict().items()]
        is_paused = connection.scalar(select(pause.c.created_at).where(*named)) is not None
        spans.unpause(connection, [former, reference])
        if is_paused:
            _pause(connection, [reference])


def _is_unborn(resource: Any) -> bool:
    if not resources.is_metered(resource):
        raise TypeError(
            f"{type(resource).__name__} has no billing_rates(), so nothing of it is billed."
        )
    state = inspect(resource)
    if state.detached or state.was_deleted:
        raise RuntimeError("A detached resource can't be changed; add it to a session first.")
    return bool(state.transient or state.pending)


def _locked(resource: Any) -> Session:
    """Save what is unsaved, and keep every other transaction from changing the resource."""
    session: Session = inspect(resource).session
    session.flush()
    # The order in which everyone locks: the project first, where locking it keeps others out.
    if resource.project_id is not None:
        spans.lock(projects.connection(session), [str(resource.project_id)])
    mapper = inspect(resource).mapper
    key = mapper.primary_key[0]
    row = select(key).select_from(mapper.persist_selectable).with_for_update()
    session.connection(bind_arguments={"mapper": mapper}).execute(
        row.where(key == mapper.primary_key_from_instance(resource)[0])
    )
    return session


def _pause(connection: Connection, paused: Iterable[Reference]) -> None:
    now = clock.now()
    rows = [resource._asdict() | {"created_at": now} for resource in sorted(paused)]
    connection.execute(_pausing(connection.dialect.name), rows)


def _pausing(dialect: str) -> Insert:
    table = table_of(BillingPause)
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(table).on_conflict_do_nothing()
    return mysql.insert(table).on_duplicate_key_update(resource_id=table.c.resource_id)
