"""Keeps people from guessing codes: counts what each project tried in vain, in the database."""

from __future__ import annotations

from datetime import timedelta
from math import ceil

from sqlalchemy import Connection, case, select, update

from flask_billing import clock
from flask_billing.errors import TooManyAttempts
from flask_billing.models import BilledProjectRow, table_of

__all__ = ["count", "refuse_too_many"]

_MOST = 10
#: Failures that follow each other faster than this add up. So no hour has more than ten.
_PAUSE = timedelta(hours=1)


def refuse_too_many(connection: Connection, project_key: str) -> None:
    """Refuse another try while too many were in vain, under the lock of the project's row.

    :raises TooManyAttempts: There is to be a pause of an hour first.
    """
    row = table_of(BilledProjectRow).c
    failures, failed_at = connection.execute(
        select(row.code_failures, row.code_failed_at).where(row.project_key == project_key)
    ).one()
    if failures < _MOST or failed_at is None:
        return
    if (left := failed_at + _PAUSE - clock.now()) > timedelta():
        seconds = ceil(left.total_seconds())
        raise TooManyAttempts(
            "Too many codes were tried. Try again in an hour.", retry_after=seconds
        )


def count(connection: Connection, project_key: str) -> None:
    """Count a try that was in vain, under the lock of the project's row."""
    row = table_of(BilledProjectRow)
    now = clock.now()
    failures = case((row.c.code_failed_at > now - _PAUSE, row.c.code_failures + 1), else_=1)
    connection.execute(
        update(row)
        .where(row.c.project_key == project_key)
        .values(code_failures=failures, code_failed_at=now)
    )
