"""Takes notifications in: verified, then stored by their unique id, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from sqlalchemy import Connection, Engine, insert
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from flask_billing import clock, projects
from flask_billing.errors import EventRefused
from flask_billing.events.built_in import BUILT_IN
from flask_billing.events.registry import names_for
from flask_billing.gateways import RemoteEvent
from flask_billing.ids import is_our_key, uuid7
from flask_billing.models import BillingEvent, table_of
from flask_billing.state import current

__all__ = ["receive", "store"]

#: MariaDB's number for a duplicate key.
_DUPLICATE = 1062


def receive(body: bytes, signature: str) -> bool:
    """Store the notification in a request; makes no call and needs one statement.

    :param body: The raw bytes of the request.
    :param signature: The header that the processor signs with.
    :returns: Whether it is new.
    :raises EventRefused: It is not from the processor, not of this moment or not of this mode.
    """
    state = current()
    event = state.gateway.read_event(body, signature, state.settings.webhook_secrets)
    if event.livemode != state.settings.livemode:
        raise EventRefused("mode")
    return store(event)


def store(event: RemoteEvent) -> bool:
    """Insert an event by its unique id; it is committed by itself.

    :returns: Whether it is new; of one that is there already nothing changes.
    """
    now = clock.now()
    reason = _reason_to_ignore(event)
    key = event.idempotency_key
    values = {
        "id": uuid7(),
        "stripe_id": event.stripe_id,
        "type": event.type,
        "object_id": event.object_id,
        "object_type": event.object_type,
        "customer_id": event.customer_id,
        "account_id": event.account_id,
        "livemode": event.livemode,
        "api_version": event.api_version,
        "idempotency_key": key if key is not None and is_our_key(key) else None,
        "created_at": event.created_at,
        "received_at": now,
        "state": "pending" if reason is None else "ignored",
        "reason": reason,
        "attempts": 0,
        "next_try_at": now if reason is None else None,
        "ended_at": None if reason is None else now,
    }
    with _connection() as connection:
        return _is_inserted(connection, values)


def _is_inserted(connection: Connection, values: dict[str, Any]) -> bool:
    """Insert a row unless its unique id is there already."""
    insert = _insert(connection.dialect.name)
    if connection.dialect.name in {"postgresql", "sqlite"}:
        return connection.execute(insert, values).first() is not None
    try:
        connection.execute(insert, values)
    except IntegrityError as error:
        if error.orig is not None and error.orig.args[:1] == (_DUPLICATE,):
            return False
        raise
    return True


def _reason_to_ignore(event: RemoteEvent) -> str | None:
    if names_for(event.type):
        return None
    if event.account_id is not None:
        return "connected_account"
    return None if event.type in BUILT_IN else "unknown_type"


@cache
def _insert(dialect: str) -> Any:
    """Return the statement that lets the unique id decide; MariaDB's refuses the second."""
    table = table_of(BillingEvent)
    if dialect not in {"postgresql", "sqlite"}:
        return insert(table)
    upsert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
    return upsert.on_conflict_do_nothing(index_elements=["stripe_id"]).returning(table.c.id)


@contextmanager
def _connection() -> Iterator[Connection]:
    """Connect beside the session, which belongs to the host; one statement commits by itself.

    That saves the way to the database and back for BEGIN and for COMMIT.
    """
    bind = projects.bind_of(current().db.session)
    if isinstance(bind, Engine):
        with bind.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            yield connection
    else:
        # The host gave its session a connection, as tests do: there is nothing beside it.
        with bind.begin_nested():
            yield bind
