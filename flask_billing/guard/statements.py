"""The one statement that locks the projects of a flush and tells which of them can pay.

Each database needs its own form, because each has its own idea of what a statement sees once it
has waited for a lock:

- PostgreSQL sees the rows that it waited for anew, but all others as they were before the wait. So
  the payment methods are locked too (`FOR SHARE`), beneath the lock of the project.
- MariaDB sees the newest state of whatever a locking read touches, and only of that. So it is one
  locking join, in the order in which everyone locks.
- SQLite has one writer: an update takes that place, and what it returns is the newest state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Dialect,
    ScalarSelect,
    Table,
    TextClause,
    and_,
    bindparam,
    case,
    func,
    literal_column,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from flask_billing import clock, projects
from flask_billing.models import (
    BilledProjectRow,
    BillingInfo,
    GatewayAccount,
    PaymentMethod,
    UTCDateTime,
    table_of,
)
from flask_billing.state import State

__all__ = ["Standing", "standings"]

#: Gives the host's key for the text of it in the row that is looked at.
_KeyOfRow = Callable[[ColumnElement[str]], ColumnElement[Any]]
#: Makes the statement from the condition that picks our rows; it gives the key and a code, or
#: the code alone.
_Form = Callable[[ColumnElement[bool], _KeyOfRow, bool], Any]

#: For as long as an engine lives.
_prepared: WeakKeyDictionary[Dialect, tuple[Column[Any], _Prepared]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Standing:
    """What the guard needs to know of a project."""

    billable: bool = True
    payable: bool = False
    #: Whether the host's own `billing_info_id` and our copy of it are the same.
    in_step: bool = True
    #: Whether a spending limit of the project's own stops it.
    stopped: bool = False
    #: Whether an invoice of the project is past due.
    past_due: bool = False


# One number instead of a column each: every column costs as much as a look into an index.
_BILLABLE, _PAYABLE, _DIFFERS, _STOPPED, _PAST_DUE = 1, 2, 4, 8, 16
_STANDINGS = [
    Standing(
        billable=bool(code & _BILLABLE),
        payable=bool(code & _PAYABLE),
        in_step=not code & _DIFFERS,
        stopped=bool(code & _STOPPED),
        past_due=bool(code & _PAST_DUE),
    )
    for code in range(32)
]


def standings(connection: Connection, keys: Mapping[str, Any], state: State) -> dict[str, Standing]:
    """Lock our rows of the projects in `keys` (text → key) and return how they stand.

    A project is left out where we have no row for it. It is not payable where it is not in step.
    """
    if connection.dialect.name in {"mysql", "mariadb"}:
        _make_missing_rows(connection, keys, state.known_keys)
    settings = state.settings
    parameters: dict[str, Any] = {
        "livemode": settings.livemode,
        "digest": settings.key_digest,
        "now": clock.now(),
    }
    codes: dict[str, int] = {}
    if len(keys) == 1:
        [(name, key)] = keys.items()
        parameters |= {"project_key": name, "project_id": key}
        for code in _for_one(connection.dialect).run(connection, parameters):
            codes[name] = codes.get(name, 0) | code
    else:
        found = connection.execute(_for_several(connection.dialect, keys), parameters)
        for name, code in found:
            codes[name] = codes.get(name, 0) | code
    return {name: _STANDINGS[code] for name, code in codes.items()}


def _make_missing_rows(connection: Connection, keys: Mapping[str, Any], known: set[str]) -> None:
    """Make the rows that are to be locked, for MariaDB.

    There a locking read of a missing row locks the gap, and two of those end in a deadlock.
    """
    if known.issuperset(keys):
        return
    column = table_of(BilledProjectRow).c.project_key
    known.update(connection.scalars(select(column).where(column.in_(sorted(keys)))))
    found = {
        name: connection.execute(projects.link_of(key)).one_or_none()
        for name, key in sorted(keys.items())
        if name not in known
    }
    links = {name: link[0] for name, link in found.items() if link is not None}
    # In the order in which everyone locks: our rows, the methods, the billing info. The last is
    # locked by the row's foreign key too, which two transactions could do at once without the
    # methods' locks; then each would wait for the other.
    for name in links:
        projects.ensure_row(connection, name, None)
    method = table_of(PaymentMethod).c
    paying = sorted({link for link in links.values() if link is not None})
    if paying:
        locked = select(method.id).where(method.billing_info_id.in_(paying))
        connection.execute(locked.order_by(method.billing_info_id).with_for_update())
    for name, link in links.items():
        projects.ensure_row(connection, name, link)


@dataclass(frozen=True)
class _Prepared:
    """A statement as the driver takes it, made ahead: that halves what the guard costs."""

    text: str
    #: The order of the parameters, where the driver wants them in one.
    names: tuple[str, ...] | None
    process: Mapping[str, Callable[[Any], Any]]

    def run(self, connection: Connection, values: dict[str, Any]) -> Sequence[int]:
        for name, to_driver in self.process.items():
            values[name] = to_driver(values[name])
        given = values if self.names is None else tuple(values[name] for name in self.names)
        return [code for (code,) in connection.exec_driver_sql(self.text, given)]


def _for_one(dialect: Dialect) -> _Prepared:
    """Return the statement for a single project, prepared once for each engine."""
    key = projects.primary_key()
    prepared = _prepared.get(dialect)
    if prepared is None or prepared[0] is not key:
        wanted = table_of(BilledProjectRow).c.project_key == bindparam("project_key")
        given = bindparam("project_id", type_=key.type)
        statement = _form(dialect)(wanted, lambda _: given, False)
        compiled = statement.compile(dialect=dialect)
        process = {}
        for name in compiled.binds:
            to_driver = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            if to_driver is not None:
                process[name] = to_driver
        names = tuple(compiled.positiontup) if compiled.positional else None
        prepared = _prepared[dialect] = key, _Prepared(str(compiled), names, process)
    return prepared[1]


def _for_several(dialect: Dialect, keys: Mapping[str, Any]) -> Any:
    column = table_of(BilledProjectRow).c.project_key
    kind = projects.primary_key().type
    ids = {
        name: bindparam(f"project_{place}", key, type_=kind)
        for place, (name, key) in enumerate(keys.items())
    }
    return _form(dialect)(column.in_(sorted(keys)), lambda name: case(ids, value=name), True)


def _form(dialect: Dialect) -> _Form:
    return {"postgresql": _postgresql, "sqlite": _sqlite}.get(dialect.name, _mariadb)


def _postgresql(wanted: ColumnElement[bool], project_id: _KeyOfRow, named: bool) -> Any:
    row, method, info = map(table_of, (BilledProjectRow, PaymentMethod, BillingInfo))
    locked = (
        select(
            row.c.project_key,
            row.c.billable,
            row.c.billing_info_id,
            row.c.stopped_until,
            row.c.past_due_since,
            _link(project_id(row.c.project_key)).label("link"),
        )
        .where(wanted)
        .order_by(row.c.project_key)
        .with_for_update(of=row, key_share=True)
        .subquery("locked")
    )
    paying = (
        select(method.c.id)
        .join(info, info.c.id == method.c.billing_info_id)
        .where(
            method.c.billing_info_id == locked.c.billing_info_id,
            locked.c.billing_info_id == locked.c.link,
            _usable(method),
            _of_key(info),
        )
        .with_for_update(of=method, read=True)
    )
    differs = locked.c.billing_info_id.is_distinct_from(locked.c.link)
    code = _code(locked.c, paying.exists(), differs)
    return select(locked.c.project_key, code) if named else select(code)


def _sqlite(wanted: ColumnElement[bool], project_id: _KeyOfRow, named: bool) -> Any:
    row, method, info = map(table_of, (BilledProjectRow, PaymentMethod, BillingInfo))
    # RETURNING names every column without its table, so the subquery has to be text by then.
    billing_info_id: ColumnElement[UUID] = literal_column("billed_project.billing_info_id")
    link = _link(project_id(literal_column("billed_project.project_key")))
    paying = (
        select(method.c.id)
        .join(info, info.c.id == method.c.billing_info_id)
        .where(
            method.c.billing_info_id == billing_info_id,
            billing_info_id == link,
            _usable(method),
            _of_key(info),
        )
    )
    differs = billing_info_id.is_distinct_from(link)
    told = {
        name: literal_column(f"billed_project.{name}", row.c[name].type)
        for name in ("billable", "stopped_until", "past_due_since")
    }
    code = _as_text(_code(told, paying.exists(), differs))
    locked = update(row).where(wanted).values(revision=row.c.revision + literal_column("1"))
    return locked.returning(row.c.project_key, code) if named else locked.returning(code)


def _as_text(expression: ColumnElement[Any]) -> TextClause:
    compiled = expression.compile(dialect=sqlite.dialect(paramstyle="named"))
    binds = [
        bindparam(name, bind.value, type_=bind.type, required=bind.required)
        for bind, name in compiled.bind_names.items()
    ]
    return text(str(compiled)).bindparams(*binds)


def _mariadb(wanted: ColumnElement[bool], project_id: _KeyOfRow, named: bool) -> Any:
    row, method, info = map(table_of, (BilledProjectRow, PaymentMethod, BillingInfo))
    link = _link(project_id(row.c.project_key))
    linked = and_(
        method.c.billing_info_id == row.c.billing_info_id,
        row.c.billing_info_id == link,
        _usable(method),
    )
    paying = and_(info.c.id == method.c.billing_info_id, _of_key(info))
    differs = row.c.billing_info_id.is_distinct_from(link)
    code = _code(row.c, info.c.id.is_not(None), differs)
    columns = (row.c.project_key, code) if named else (code,)
    return (
        select(*columns)
        .prefix_with("STRAIGHT_JOIN")
        .select_from(row.outerjoin(method, linked).outerjoin(info, paying))
        .where(wanted)
        .order_by(row.c.project_key)
        .with_for_update()
    )


def _code(
    row: Mapping[str, ColumnElement[Any]] | ReadOnlyColumnCollection[str, Any],
    payable: ColumnElement[bool],
    differs: ColumnElement[bool],
) -> ColumnElement[int]:
    since = row["past_due_since"]
    bits: tuple[tuple[ColumnElement[bool], int], ...] = (
        (row["billable"], _BILLABLE),
        (payable, _PAYABLE),
        (differs, _DIFFERS),
        (row["stopped_until"] > bindparam("now", type_=UTCDateTime()), _STOPPED),
        # Some releases of SQLite take "IS NOT NULL" in RETURNING for true whatever there is.
        (since == since, _PAST_DUE),  # noqa: PLR0124
    )
    first, *others = (
        case((condition, literal_column(str(bit))), else_=literal_column("0"))
        for condition, bit in bits
    )
    return reduce(add, others, first)


def _link(project_id: ColumnElement[Any]) -> ScalarSelect[Any]:
    """Return who pays by the host's own column, read without a lock on the host's row."""
    return projects.link_of(project_id).scalar_subquery()


def _usable(method: Table) -> ColumnElement[bool]:
    return and_(
        method.c.usable,
        method.c.refusal.is_(None),
        method.c.leaving_at.is_(None),
        method.c.removed_at.is_(None),
    )


def _of_key(info: Table) -> ColumnElement[bool]:
    """Return the condition that a billing info belongs to the mode and account of the key."""
    account = table_of(GatewayAccount)
    known = (
        select(account.c.account_id)
        .where(account.c.key_digest == bindparam("digest"))
        .scalar_subquery()
    )
    return and_(
        info.c.removed_at.is_(None),
        info.c.livemode == bindparam("livemode"),
        or_(
            info.c.account_id.is_(None),
            info.c.account_id == func.coalesce(known, info.c.account_id),
        ),
    )
