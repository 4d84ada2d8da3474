"""Notes what is to be told, in the transaction in which it comes true."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session, scoped_session

from flask_billing import projects
from flask_billing.ids import uuid7
from flask_billing.models import Notification, table_of
from flask_billing.notifying.kinds import KINDS, ROLES

__all__ = ["note"]


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
    values = {
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
    _insert(_connection(where), [{"id": uuid7(), "role": role} | values for role in ROLES])


def _connection(where: Connection | Session | scoped_session[Any]) -> Connection:
    if isinstance(where, Connection):
        return where
    where.flush()
    return projects.connection(where)


def _insert(connection: Connection, rows: list[dict[str, Any]]) -> None:
    table = table_of(Notification)
    if connection.dialect.name == "postgresql":
        connection.execute(postgresql.insert(table).values(rows).on_conflict_do_nothing())
    elif connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).values(rows).on_conflict_do_nothing())
    else:
        # INSERT IGNORE would swallow every other error too.
        inserted = mysql.insert(table).values(rows)
        connection.execute(inserted.on_duplicate_key_update(topic=table.c.topic))
