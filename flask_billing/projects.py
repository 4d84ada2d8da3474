"""Knows the host's project model, and keeps our own row beside each of the host's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Engine,
    Select,
    exists,
    false,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Mapper, Session, object_session, scoped_session
from werkzeug.exceptions import NotFound

from flask_billing import clock
from flask_billing.models import (
    BilledProjectRow,
    BillingInfo,
    GatewayAccount,
    Invoice,
    InvoiceCollection,
    PaymentMethod,
    table_of,
)
from flask_billing.state import State, current

if TYPE_CHECKING:
    pass

__all__ = [
    "adopt",
    "bind_of",
    "clear_past_due",
    "connection",
    "ensure_row",
    "has_usable_method",
    "key_attribute",
    "key_of",
    "link_of",
    "load",
    "lock",
    "model",
    "normal_key",
    "of_current_key",
    "paying_info_id",
    "payment_methods_of",
    "primary_key",
    "row_of",
    "sharing_count",
    "sharing_keys",
    "visible_billing_info",
]

_mappers: list[Mapper[Any]] = []


def load(project_id: str) -> Any:
    """Return the project that the host's loader finds for the text in a URL.

    :raises RuntimeError: The host has registered no loader.
    :raises werkzeug.exceptions.NotFound: There is no such project, as far as this person may know.
    """
    find = current().hooks.project_loader
    if find is None:
        raise RuntimeError(
            "Billing does not know how to find a project. Register a function that takes the text "
            "from the URL and returns the project or None: @billing.project_loader."
        )
    project = find(project_id)
    if project is None:
        raise NotFound
    return project


def adopt(mapper: Mapper[Any]) -> None:
    """Remember `mapper` as one of the host's project model."""
    _mappers.append(mapper)
    for remembered in (model, primary_key, key_attribute):
        remembered.cache_clear()


@cache
def model() -> type[Any]:
    """Return the host's project model.

    :raises RuntimeError: There is none, or there are several.
    """
    roots = [m for m in _mappers if not any(m is not o and m.isa(o) for o in _mappers)]
    if len(roots) != 1:
        found = ", ".join(sorted(root.class_.__name__ for root in roots)) or "none"
        raise RuntimeError(
            "Billing needs exactly one model with the BilledProject mixin, the tenant of the app. "
            f"Found: {found}."
        )
    return roots[0].class_


@cache
def primary_key() -> Column[Any]:
    """Return the project table's key column.

    :raises RuntimeError: The key has several columns.
    """
    mapper: Mapper[Any] = model().__mapper__
    if len(mapper.primary_key) != 1:
        raise RuntimeError(f"{model().__name__} needs a primary key of one column to be billed.")
    return cast("Column[Any]", mapper.primary_key[0])


@cache
def key_attribute() -> str:
    """Return the name of the project's attribute that holds its key."""
    key: str = model().__mapper__.get_property_by_column(primary_key()).key
    return key


def key_of(project: Any) -> str:
    """Return a project's key as text."""
    return str(model().__mapper__.primary_key_from_instance(project)[0])


def link_of(key: Any) -> Select[Any]:
    """Return the query for who pays by the host's own row; `key` is a value or an expression."""
    host: Mapper[Any] = model().__mapper__
    column = host.columns["billing_info_id"]
    return select(column).select_from(host.persist_selectable).where(primary_key() == key)


def normal_key(value: Any) -> Any:
    """Return `value` as the project's key column gives it back, so that text means one project.

    :raises ValueError: It can't be a key of this type, or the database would read another into it.
    """
    kind = primary_key().type.python_type
    if type(value) is kind:
        return value
    if isinstance(value, kind) and not isinstance(value, bool):
        return kind(value)
    if isinstance(value, str):
        key = kind(value)
        if kind is not int or str(key) == value:
            return key
    elif kind is str and isinstance(value, int | UUID) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"A {type(value).__name__} is no key of a {model().__name__}.")


def bind_of(session: Session | scoped_session[Any]) -> Engine | Connection:
    """Return the engine, or connection, of a session that leads to the billing tables."""
    bind: Engine | Connection = session.get_bind(mapper=BilledProjectRow.__mapper__)
    return bind


def connection(session: Session | scoped_session[Any] | None = None) -> Connection:
    """Return a session's connection to the database that holds the billing tables."""
    session = current().db.session if session is None else session
    return session.connection(bind_arguments={"mapper": BilledProjectRow.__mapper__})


def ensure_row(connection: Connection, key: str, billing_info_id: UUID | None) -> None:
    """Make our row for a project where there is none, and copy who pays onto it."""
    current().known_keys.add(key)
    _upsert(connection, key, {"billing_info_id": billing_info_id})


def _upsert(connection: Connection, key: str, values: dict[str, Any]) -> None:
    """Insert or update our row in one statement.

    Two statements end in deadlocks on MariaDB, where an update of nothing locks the gap.
    """
    table = table_of(BilledProjectRow)
    row = {"billable": True, "created_at": clock.now()} | values
    row |= {"project_key": key, "revision": 0}
    changes = values | {"revision": table.c.revision + 1}
    if connection.dialect.name == "postgresql":
        postgresql_insert = postgresql.insert(table).values(row)
        connection.execute(
            postgresql_insert.on_conflict_do_update(index_elements=["project_key"], set_=changes)
        )
    elif connection.dialect.name == "sqlite":
        sqlite_insert = sqlite.insert(table).values(row)
        connection.execute(
            sqlite_insert.on_conflict_do_update(index_elements=["project_key"], set_=changes)
        )
    else:
        connection.execute(mysql.insert(table).values(row).on_duplicate_key_update(changes))


def row_of(project: Any) -> BilledProjectRow:
    """Return our row for `project`, made now if there is none yet."""
    session = object_session(project) or current().db.session
    key = key_of(project)
    row = session.get(BilledProjectRow, key)
    if row is None:
        ensure_row(session.connection(), key, project.billing_info_id)
        row = session.get_one(BilledProjectRow, key)
    return row


def sharing_keys(connection: Connection, billing_info_id: UUID) -> list[str]:
    """Return the keys of the projects that pay by a billing info, in their locking order."""
    host: Mapper[Any] = model().__mapper__
    sharing = select(primary_key()).select_from(host.persist_selectable)
    column = host.columns["billing_info_id"]
    found = connection.scalars(sharing.where(column == billing_info_id))
    return sorted(str(key) for key in found)


def lock(connection: Connection, keys: Iterable[str], *, usage_too: bool = False) -> bool:
    """Keep guard, removal and reordering of these projects out until the transaction ends.

    The lock is an update, which also starts SQLite's write transaction and makes a concurrent
    repeatable-read transaction fail rather than decide on what it read before.

    :param usage_too: Keep out whoever writes usage too; on MariaDB they always are.
    :returns: Whether plain reads see the newest state; on MariaDB they may show an older one.
    """
    table = table_of(BilledProjectRow)
    wanted = sorted(set(keys))
    revisions = select(table.c.project_key, table.c.revision).where(table.c.project_key.in_(wanted))
    is_mariadb = connection.dialect.name in {"mysql", "mariadb"}
    seen = set(map(tuple, connection.execute(revisions))) if is_mariadb else set()
    if is_mariadb or connection.dialect.name == "postgresql":
        # In the order in which everyone locks; an update may take them in any.
        locked = revisions.order_by(table.c.project_key).with_for_update(key_share=not usage_too)
        found = set(map(tuple, connection.execute(locked)))
        seen = seen or found
        is_current = seen == found
    else:
        is_current = True
    connection.execute(
        update(table).where(table.c.project_key.in_(wanted)).values(revision=table.c.revision + 1)
    )
    return is_current


def clear_past_due(connection: Connection, key: str) -> None:
    """Let a project create resources again, unless another of its invoices is past due.

    The caller holds the lock of the project's row.
    """
    project, row = table_of(BilledProjectRow), table_of(InvoiceCollection)
    others = (
        select(row.c.invoice_id)
        .join(Invoice, Invoice.id == row.c.invoice_id)
        .where(Invoice.project_key == key, row.c.state == "past_due")
    )
    if connection.execute(others.limit(1)).first() is None:
        connection.execute(
            update(project)
            .where(project.c.project_key == key, project.c.past_due_since.is_not(None))
            .values(past_due_since=None)
        )


def sharing_count(project: Any) -> int:
    """Return how many other projects pay by the same billing info."""
    if project.billing_info_id is None:
        return 0
    host = model()
    count = (
        select(func.count())
        .select_from(host)
        .where(
            host.billing_info_id == project.billing_info_id,
            primary_key() != normal_key(key_of(project)),
        )
    )
    return current().db.session.scalar(count) or 0


def of_current_key(state: State) -> ColumnElement[bool]:
    """Return the condition that a billing info belongs to the mode and account of the key."""
    known = (
        select(GatewayAccount.account_id)
        .where(GatewayAccount.key_digest == state.settings.key_digest)
        .scalar_subquery()
    )
    return (BillingInfo.livemode == state.settings.livemode) & or_(
        BillingInfo.account_id.is_(None),
        BillingInfo.account_id == func.coalesce(known, BillingInfo.account_id),
    )


def visible_billing_info(project: Any) -> BillingInfo | None:
    """Return who pays for `project`, as far as the current key may see it."""
    state = current()
    if project.billing_info_id is None or not state.settings.enabled:
        return None
    query = select(BillingInfo).where(
        BillingInfo.id == project.billing_info_id, of_current_key(state)
    )
    return state.db.session.scalars(query).one_or_none()


def paying_info_id(project: Any) -> UUID | None:
    """Return the id of who pays; `None` where that customer is gone or of another key."""
    info = visible_billing_info(project)
    return info.id if info is not None and info.removed_at is None else None


def payment_methods_of(project: Any) -> list[PaymentMethod]:
    """Return the payment methods of `project` in the order of trying, then those leaving."""
    info = visible_billing_info(project)
    if info is None:
        return []
    query = (
        select(PaymentMethod)
        .where(PaymentMethod.billing_info_id == info.id, PaymentMethod.removed_at.is_(None))
        .order_by(PaymentMethod.position.is_(None), PaymentMethod.position, PaymentMethod.id)
    )
    return list(current().db.session.scalars(query))


def has_usable_method(billing_info_id: Any, state: State) -> ColumnElement[bool]:
    """Return the condition that a billing info (an id or a column) can be charged."""
    if not state.settings.enabled:
        return false()
    return exists().where(
        PaymentMethod.billing_info_id == billing_info_id,
        PaymentMethod.is_usable,
        BillingInfo.id == PaymentMethod.billing_info_id,
        BillingInfo.removed_at.is_(None),
        of_current_key(state),
    )
