"""Notes what is to be told, in the transaction in which it comes true."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    bindparam,
    literal,
    select,
    true,
    union_all,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session, scoped_session

from flask_billing import projects
from flask_billing.ids import uuid7
from flask_billing.models import Notification, table_of
from flask_billing.notifying.kinds import KINDS, ROLES

__all__ = ["note"]

_SAME = (
    "kind",
    "topic",
    "project_key",
    "invoice_id",
    "payment_method_id",
    "billing_info_id",
    "alert_id",
    "amount",
    "currency",
)


def note(
    where: Connection | Session | scoped_session[Any],
    kind: str,
    topic: str,
    *,
    project_key: str | None = None,
    invoice_id: UUID | None = None,
    payment_method_id: UUID | None = None,
    billing_info_id: UUID | None = None,
    alert_id: UUID | None = None,
    amount: int | None = None,
    currency: str | None = None,
) -> None:
    """Have a project's members and its billing e-mail told, once this transaction is committed.

    One statement. Noted already, it changes nothing and breaks nothing; where another transaction
    has noted the same and is not at its end yet, it waits for that, as for any row.

    :param where: A connection, or a session, whose unsaved changes are saved first.
    :param topic: Names the one happening, such as ``"receipt-" + invoice id``; 200 characters.
    :param project_key: `None` where it is about all projects that pay by the billing info.
    :param billing_info_id: Whose billing e-mail is told; by default whoever pays the invoice or,
        without one, for the project.
    :param amount: What the message says of money, in minor units of `currency`.
    :raises ValueError: There is no such kind, or the topic is too long.
    """
    if kind not in KINDS:
        raise ValueError(f"There are no notifications of the kind {kind!r}.")
    if not 0 < len(topic) <= 200:
        raise ValueError("The topic of a notification has 1 to 200 characters.")
    values: dict[str, Any] = {
        "kind": kind,
        "topic": topic,
        "project_key": project_key,
        "invoice_id": invoice_id,
        "payment_method_id": payment_method_id,
        "billing_info_id": billing_info_id,
        "alert_id": alert_id,
        "amount": amount,
        "currency": currency,
    }
    values |= {f"id_{role}": uuid7() for role in ROLES}
    connection = _connection(where)
    connection.execute(_inserting(connection.dialect.name), values)


def _connection(where: Connection | Session | scoped_session[Any]) -> Connection:
    if isinstance(where, Connection):
        return where
    where.flush()
    return projects.connection(where)


@cache
def _inserting(dialect: str) -> Any:
    """Return the statement that notes what is told, for each role a row.

    As a query it is made and compiled once; of several values it would be for each.
    """
    table = table_of(Notification)
    rows = (
        select(
            *(_term(table.c[name]) for name in _SAME),
            _term(table.c.id, f"id_{role}"),
            literal(role, table.c.role.type).label("role"),
        )
        for role in ROLES
    )
    # SQLite would take what follows for a join's condition, were there no condition before it.
    new = select(union_all(*rows).subquery()).where(true())
    names = [*_SAME, "id", "role"]
    if dialect in {"postgresql", "sqlite"}:
        inserted: Any = (postgresql if dialect == "postgresql" else sqlite).insert(table)
        return inserted.from_select(names, new).on_conflict_do_nothing()
    # INSERT IGNORE would swallow every other error too.
    return mysql.insert(table).from_select(names, new).on_duplicate_key_update(topic=table.c.topic)


def _term(column: Column[Any], name: str | None = None) -> ColumnElement[Any]:
    return bindparam(name or column.name, type_=column.type).label(column.name)
