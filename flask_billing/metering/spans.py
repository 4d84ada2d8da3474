"""The statements that open and close billing records, beneath the lock of their projects.

Whoever closes a month locks our row of the project alone; each of these shares that lock, and
reads in the same statement up to when the project is closed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    String,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    delete,
    exists,
    false,
    func,
    literal_column,
    not_,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite

from flask_billing import clock
from flask_billing.metering.resources import Reference
from flask_billing.models import (
    BilledProjectRow,
    BillingPause,
    BillingRecord,
    UTCDateTime,
    table_of,
)
from flask_billing.models.types import ExactText, Fixed

__all__ = [
    "Shape",
    "close_of_projects",
    "close_of_resources",
    "close_unwanted",
    "lock",
    "opening",
    "unpause",
]

#: For each slot that is wanted, how many versions its rate has: what a statement's text hangs on.
Shape = tuple[int, ...]

#: So many ids fit into a statement of every database.
_MOST = 1000


def lock(connection: Connection, keys: Collection[str]) -> None:
    """Keep everyone else out who meters these projects, where sharing a lock ends in deadlocks.

    That is MariaDB, where a lock that two share can't be raised by either, as the guard does.
    """
    if keys and is_mariadb(connection):
        table = table_of(BilledProjectRow)
        for key in sorted(keys):
            locked = update(table).where(table.c.project_key == key)
            connection.execute(locked.values(revision=table.c.revision + 1))


def close_unwanted(connection: Connection, shape: Shape, rows: list[dict[str, Any]]) -> None:
    """End what runs for resources and is not wanted any more.

    :param rows: `kind`, `resource` and `key`, and for each slot of the shape `slot_0`, `quantity_0`
        and the ids of the rate's versions, `rate_0_0` and on.
    """
    at = clock.now()
    statement = _close_unwanted(connection.dialect.name, shape)
    connection.execute(statement, [row | {"at": at} for row in rows])


def close_of_resources(connection: Connection, gone: Iterable[Reference]) -> None:
    """End all that runs for resources."""
    record = table_of(BillingRecord)
    for kind, ids in _by_kind(gone):
        statement = _closing(connection.dialect.name).where(
            record.c.resource_type == kind, record.c.resource_id.in_(ids)
        )
        connection.execute(statement, {"at": clock.now()})


def close_of_projects(connection: Connection, keys: Collection[str]) -> None:
    """End all that runs for projects."""
    record = table_of(BillingRecord)
    statement = _closing(connection.dialect.name, "billing_record_project_key_idx").where(
        record.c.project_key.in_(sorted(keys)), record.c.ended_at.is_(None)
    )
    connection.execute(statement, {"at": clock.now()})


def unpause(connection: Connection, resources: Iterable[Reference]) -> None:
    """Forget that the billing of resources was stopped."""
    pause = table_of(BillingPause)
    for kind, ids in _by_kind(resources):
        of_kind = delete(pause).where(pause.c.resource_type == kind)
        connection.execute(of_kind.where(pause.c.resource_id.in_(ids)))


def opening(dialect: str, currencies: tuple[str, ...], *, fresh: bool) -> Any:
    """Return the statement that opens a record, unless its slot runs or its project is not billed.

    Takes `record_id`, `key`, `kind`, `resource`, `wanted_slot`, `amount`, `at`, the app's currency
    as `default_currency`, and the rate's id in each of `currencies` as `rate_usd` and the like; the
    database refuses the row where that is null.

    :param fresh: Whether nothing should run in the slot. MariaDB complains where something does.
    """
    return _opening(dialect, currencies, fresh)


def is_mariadb(connection: Connection | Engine) -> bool:
    """Return whether the database is MariaDB."""
    return connection.dialect.name in {"mysql", "mariadb"}


def _by_kind(resources: Iterable[Reference]) -> Iterable[tuple[str, list[str]]]:
    """Yield keys by their table, as many as fit into a statement, in the order of locking."""
    kinds: dict[str, list[str]] = {}
    for resource in sorted(set(resources)):
        kinds.setdefault(resource.resource_type, []).append(resource.resource_id)
    for kind, ids in kinds.items():
        for start in range(0, len(ids), _MOST):
            yield kind, ids[start : start + _MOST]


@cache
def _close_unwanted(dialect: str, shape: Shape) -> Update:
    record = table_of(BillingRecord)
    kept = [_is_wanted(place, versions) for place, versions in enumerate(shape)]
    return _closing(dialect).where(
        record.c.resource_type == bindparam("kind", type_=ExactText(100)),
        record.c.resource_id == bindparam("resource", type_=ExactText()),
        not_(or_(false(), *kept)),
    )


def _is_wanted(place: int, versions: int) -> ColumnElement[bool]:
    """Return the condition that a record is what a slot wants; any version of its rate will do."""
    record = table_of(BillingRecord)
    rates = [bindparam(f"rate_{place}_{version}", type_=Uuid()) for version in range(versions)]
    return and_(
        record.c.slot == bindparam(f"slot_{place}", type_=ExactText(100)),
        record.c.project_key == bindparam("key", type_=ExactText()),
        record.c.quantity == bindparam(f"quantity_{place}", type_=Fixed(6)),
        or_(*(record.c.rate_id == rate for rate in rates)),
    )


@cache
def _closing(dialect: str, index: str = "billing_record_open_key") -> Update:
    """Return the statement that ends what runs at the moment `at`, or when it is closed until."""
    record, project = table_of(BillingRecord), table_of(BilledProjectRow)
    closed_until = (
        select(project.c.closed_until)
        .where(project.c.project_key == record.c.project_key)
        .correlate(record)
    )
    if dialect == "postgresql":
        closed_until = closed_until.with_for_update(read=True, key_share=True)
    at = bindparam("at", type_=UTCDateTime())
    ended_at = _latest(
        dialect, at, func.coalesce(closed_until.scalar_subquery(), at), record.c.started_at
    )
    statement = update(record).where(record.c.open_marker == literal_column("1"))
    # The optimiser reads, and locks, the whole of a small table otherwise.
    for name in ("mysql", "mariadb"):
        statement = statement.with_hint(f"FORCE INDEX ({index})", dialect_name=name)
    return statement.values(ended_at=ended_at, open_marker=null())


@cache
def _opening(dialect: str, currencies: tuple[str, ...], fresh: bool) -> Any:
    record, project, pause = map(table_of, (BillingRecord, BilledProjectRow, BillingPause))
    kind = bindparam("kind", type_=ExactText(100))
    resource = bindparam("resource", type_=ExactText())
    at = bindparam("at", type_=UTCDateTime())
    currency = func.coalesce(project.c.currency, bindparam("default_currency", type_=String(3)))
    rates = {code: bindparam(f"rate_{code}", type_=Uuid()) for code in currencies}
    columns = {
        "id": bindparam("record_id", type_=Uuid()),
        "project_key": project.c.project_key,
        "resource_type": kind,
        "resource_id": resource,
        "slot": bindparam("wanted_slot", type_=ExactText(100)),
        "rate_id": case(rates, value=currency),
        "quantity": bindparam("amount", type_=Fixed(6)),
        "started_at": _latest(dialect, at, func.coalesce(project.c.closed_until, at)),
        "open_marker": literal_column("1"),
    }
    paused = exists().where(pause.c.resource_type == kind, pause.c.resource_id == resource)
    source = select(*columns.values()).where(
        project.c.project_key == bindparam("key", type_=ExactText()),
        project.c.billable,
        project.c.ended_at.is_(None),
        not_(paused),
    )
    if dialect == "postgresql":
        source = source.with_for_update(read=True, key_share=True, of=project)
        skipping = postgresql.insert(record).from_select(list(columns), source)
        return skipping.on_conflict_do_nothing()
    if dialect == "sqlite":
        return sqlite.insert(record).from_select(list(columns), source).on_conflict_do_nothing()
    plain = mysql.insert(record).from_select(list(columns), source)
    return plain if fresh else plain.on_duplicate_key_update(id=record.c.id)


def _latest(dialect: str, *moments: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.max(*moments) if dialect == "sqlite" else func.greatest(*moments)
