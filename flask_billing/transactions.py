"""Begins the transactions in which payment methods, credit and what is owed change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Engine, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session, scoped_session

from flask_billing import keys as project_keys
from flask_billing import projects
from flask_billing.errors import UnknownProject
from flask_billing.models import BilledProjectRow, BillingInfo, table_of
from flask_billing.state import current

__all__ = ["begin", "begin_for", "code_of", "fresh_connection", "is_broken_off", "require_clean"]

_BROKEN_OFF = frozenset({"40001", "40P01", 1213})


def require_clean() -> scoped_session[Any]:
    """End the session's transaction and return the session, with nothing unsaved in it.

    What was flushed already is committed.

    :raises RuntimeError: There are unsaved changes, or a savepoint is open: a verb commits, and
        must not commit those.
    """
    session: scoped_session[Any] = current().db.session
    if session().in_nested_transaction():
        raise RuntimeError("End the savepoint first: this verb commits, and would commit it too.")
    changed = any(session.is_modified(row) for row in session.dirty)
    if changed or session.new or session.deleted:
        raise RuntimeError(
            "Commit or roll back your own changes first: this verb talks to the payment "
            "processor, outside any transaction, and commits what it does."
        )
    session.commit()
    return session


def begin(billing_info_id: UUID | None, key: str | None = None) -> list[str]:
    """Begin a transaction that keeps out everyone else who changes these payment methods.

    Locks our row of every project that pays by the billing info, `key` among them, then the
    billing info. The guard takes the same rows in the same order, so nothing billable can be
    created meanwhile. What was read before is committed, and no part of the transaction.

    :returns: The keys of all the projects that were locked.
    """
    keys = set() if key is None else {key}
    while True:
        connection = fresh_connection()
        if billing_info_id is not None:
            keys |= set(projects.sharing_keys(connection, billing_info_id))
        projects.lock(connection, keys)
        if billing_info_id is None:
            return sorted(keys)
        info = BillingInfo.__table__
        connection.execute(
            update(BillingInfo).where(info.c.id == billing_info_id).values(stamp=info.c.stamp)
        )
        if keys.issuperset(projects.sharing_keys(connection, billing_info_id)):
            return sorted(keys)


def begin_for(project_key: str, *, may_fix_currency: bool = False) -> Connection:
    """Begin a transaction that keeps out everyone else who changes what a project owes.

    :param may_fix_currency: Where the project has no currency yet, keep out whoever writes usage
        too: a use that is not committed may count in another one.
    :raises UnknownProject: Neither we nor the host know the key.
    :raises RuntimeError: There are unsaved changes, as :func:`require_clean` says.
    """
    require_clean()
    connection = fresh_connection()
    try:
        has_row = project_keys.require_known(connection, project_key)
    except UnknownProject:
        current().db.session.rollback()
        raise
    if not has_row:
        # One of the host's that never needed one.
        paying = connection.scalar(projects.link_of(project_keys.host_key(project_key)))
        projects.ensure_row(connection, project_key, paying)
    row = table_of(BilledProjectRow).c
    fixed = select(row.currency).where(row.project_key == project_key)
    from_all = may_fix_currency and connection.scalar(fixed) is None
    projects.lock(connection, [project_key], usage_too=from_all)
    return connection


def fresh_connection(*, one_write: bool = False) -> Connection:
    """Begin a transaction that sees what others commit while it waits for a lock.

    :param one_write: Whether it holds one statement that writes, and others need not see the same.
        On PostgreSQL each may be a transaction of its own then, which saves two trips.
    """
    session = current().db.session()
    if session.in_transaction():
        session.commit()
    bind = projects.bind_of(session)
    options = {}
    if bind.dialect.name != "sqlite" and not isinstance(bind, Connection):
        alone = one_write and bind.dialect.name == "postgresql" and not _is_begun(session, bind)
        options["isolation_level"] = "AUTOCOMMIT" if alone else "READ COMMITTED"
    return session.connection(
        bind_arguments={"mapper": BilledProjectRow.__mapper__}, execution_options=options
    )


def _is_begun(session: Session, bind: Engine) -> bool:
    """Return whether the host begins each transaction with something, such as `SET LOCAL`."""
    return bool(session.dispatch.after_begin) or bool(bind.dispatch.begin)


def is_broken_off(error: DBAPIError) -> bool:
    """Return whether the database broke a transaction off in favour of another: try it again."""
    return code_of(error) in _BROKEN_OFF


def code_of(error: DBAPIError) -> Any:
    """Return what the driver calls an error: MariaDB's number, or PostgreSQL's SQLSTATE."""
    args = getattr(error.orig, "args", ())
    if args and isinstance(args[0], int):
        return args[0]
    return getattr(error.orig, "sqlstate", None)
