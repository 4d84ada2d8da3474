"""Begins the transactions in which payment methods change."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Connection, update
from sqlalchemy.orm import scoped_session

from flask_billing import projects
from flask_billing.models import BilledProjectRow, BillingInfo
from flask_billing.state import current

__all__ = ["begin", "require_clean"]


def require_clean() -> scoped_session[Any]:
    """End the session's transaction and return the session, with nothing unsaved in it.

    :raises RuntimeError: There are unsaved changes: a verb commits, and must not commit those.
    """
    session: scoped_session[Any] = current().db.session
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

    Locks the billing info, then our row of every project that pays by it, `key` among them. The
    guard takes the same rows, so nothing billable can be created meanwhile.

    :returns: The keys of all the projects that were locked.
    """
    session = current().db.session
    session.commit()
    bind = session.get_bind(mapper=BilledProjectRow.__mapper__)
    options = {}
    if bind.dialect.name != "sqlite" and not isinstance(bind, Connection):
        # What others commit while we wait for the lock has to be seen after it.
        options["isolation_level"] = "READ COMMITTED"
    connection = session.connection(
        bind_arguments={"mapper": BilledProjectRow.__mapper__}, execution_options=options
    )
    keys = set() if key is None else {key}
    if billing_info_id is not None:
        info = BillingInfo.__table__
        connection.execute(
            update(BillingInfo).where(info.c.id == billing_info_id).values(stamp=info.c.stamp)
        )
        keys |= set(projects.sharing_keys(connection, billing_info_id))
    projects.lock(connection, keys)
    session.expire_all()
    return sorted(keys)
