"""Which periods have ended and are not closed, and whose turn it is to close them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    exists,
    func,
    or_,
    select,
    text,
    update,
)

from flask_billing import clock
from flask_billing.errors import ClosingRefused
from flask_billing.models import BilledProjectRow, table_of
from flask_billing.periods import Span, month_of, name_of
from flask_billing.state import current

__all__ = [
    "OpenProject",
    "begin_writing",
    "claim",
    "claim_one",
    "columns",
    "count",
    "ended_by",
    "first_month",
    "late",
    "look",
    "mend_beginnings",
    "of_row",
    "unclosed",
]

#: For how long a lock is waited for.
PATIENCE_SECONDS = 10
#: How long after it could be closed a period may stay open before somebody should look.
_LATE_AFTER = timedelta(hours=24)
_INDEX = "FORCE INDEX (billed_project_closed_until_idx)"


class OpenProject(NamedTuple):
    """A project, and its oldest period that is not closed.

    :ivar is_fixed: Whether the currency is fixed already.
    :ivar carried: What the period takes over from earlier ones, in minor units.
    :ivar is_reissue: Whether it was closed before, and its invoice became void.
    :ivar is_last: Whether the project ended with it, so that no invoice follows.
    """

    key: str
    period: Span
    currency: str
    is_fixed: bool
    carried: int
    parked_reason: str | None
    is_reissue: bool = False
    is_last: bool = False

    def again(self, period: Span, *, ended_at: datetime | None, carried: int) -> OpenProject:
        """Return a period that was closed before, to be issued anew."""
        return self._replace(
            period=period, carried=carried, is_reissue=True, is_last=period.end == ended_at
        )


def ended_by(period: Span | None) -> datetime:
    """Return the moment by which periods have to have ended to be closed now.

    :param period: A month; later ones are left alone.
    :raises ClosingRefused: The month has not ended, or not long enough ago.
    """
    settings = current().settings
    until = clock.now() - settings.close_after
    if period is None:
        return until
    if period.end > until:
        raise ClosingRefused(
            f"{name_of(period)} can't be closed yet: it ends at {period.end:%Y-%m-%d %H:%M} (UTC), "
            f"and late usage is waited for until "
            f"{period.end + settings.close_after:%Y-%m-%d %H:%M} (BILLING_CLOSE_AFTER)."
        )
    return period.end


def unclosed(closed_until: datetime, ended_at: datetime | None, until: datetime) -> Iterator[Span]:
    """Yield a project's periods that have ended by a moment and are not closed, in order."""
    start = closed_until
    while start < (span := _period_from(start, ended_at)).end <= until:
        yield span
        start = span.end


def first_month(
    connection: Connection,
    until: datetime,
    *,
    after: datetime | None = None,
    parked_before: datetime | None = None,
) -> Span | None:
    """Return the earliest month in which a period begins that is due; none where nothing is.

    :param after: Pass over the months before it.
    """
    row = table_of(BilledProjectRow).c
    running = month_of(until)
    found = connection.scalar(
        select(func.min(row.closed_until)).where(
            _not_parked(parked_before),
            row.closed_until < running.start,
            _is_open(),
            *(() if after is None else (row.closed_until >= after,)),
        )
    )
    if found is not None:
        return month_of(found)
    if after is not None and after > running.start:
        return None
    is_due = exists().where(_not_parked(parked_before), *_due_in(running, until))
    return running if connection.scalar(select(is_due)) else None


def claim(
    connection: Connection,
    month: Span,
    until: datetime,
    *,
    limit: int,
    wait: bool = False,
    parked_before: datetime | None = None,
) -> list[OpenProject]:
    """Lock projects whose oldest open period begins in a month and is due, and return it of each.

    :param wait: Wait for those that others have locked; by default they are passed over.
    :param parked_before: Take those too that were parked before then.
    """
    row = table_of(BilledProjectRow).c
    query = (
        _with_index(select(*columns()))
        .where(_not_parked(parked_before), *_due_in(month, until))
        .order_by(row.closed_until)
        .limit(limit)
    )
    query = _waiting(query) if wait else query.with_for_update(skip_locked=True)
    return [of_row(found) for found in connection.execute(query)]


def claim_one(connection: Connection, project_key: str, *, locked: bool = True) -> Row[Any] | None:
    """Lock a project, waiting for whoever has it, and return what :func:`of_row` needs.

    :param locked: Otherwise it is only looked at.
    """
    query = select(*columns()).where(table_of(BilledProjectRow).c.project_key == project_key)
    return connection.execute(_waiting(query) if locked else query).one_or_none()


def look(
    connection: Connection,
    month: Span,
    until: datetime,
    *,
    after: str,
    limit: int,
    parked_before: datetime | None = None,
) -> list[OpenProject]:
    """Return what :func:`claim` would claim, in the order of the projects' keys, without a lock.

    :param after: Go on behind this project.
    """
    row = table_of(BilledProjectRow).c
    query = (
        select(*columns())
        .where(_not_parked(parked_before), row.project_key > after, *_due_in(month, until))
        .order_by(row.project_key)
        .limit(limit)
    )
    return [of_row(found) for found in connection.execute(query)]


def columns() -> list[ColumnElement[Any]]:
    """Return the columns of a project's row that closing needs."""
    row = table_of(BilledProjectRow).c
    return [
        row.project_key,
        row.closed_until,
        row.ended_at,
        row.currency,
        row.carried,
        row.parked_reason,
        row.parked_at,
    ]


def of_row(row: Any) -> OpenProject:
    """Return the oldest open period of a project, ended or not."""
    period = _period_from(row.closed_until, row.ended_at)
    return OpenProject(
        key=row.project_key,
        period=period,
        currency=row.currency or current().settings.currency,
        is_fixed=row.currency is not None,
        carried=row.carried,
        parked_reason=row.parked_reason,
        is_last=period.end == row.ended_at,
    )


def count(connection: Connection, until: datetime, *, parked_before: datetime | None = None) -> int:
    """Return how many periods are due, for whoever shows how far the work is."""
    row = table_of(BilledProjectRow).c
    due = or_(row.closed_until < month_of(until).start, row.ended_at <= until)
    query = (
        select(row.closed_until, row.ended_at, func.count())
        .where(_not_parked(parked_before), _is_open(), due)
        .group_by(row.closed_until, row.ended_at)
    )
    return sum(
        number * sum(1 for _ in unclosed(closed_until, ended_at, until))
        for closed_until, ended_at, number in connection.execute(query)
    )


def late(connection: Connection) -> int:
    """Return how many periods could have been closed over a day ago, and are not."""
    return count(connection, clock.now() - current().settings.close_after - _LATE_AFTER)


def mend_beginnings(connection: Connection) -> None:
    """Let rows begin that an older release of the code made after the tables were upgraded."""
    row = table_of(BilledProjectRow)
    # Looked for first: on MariaDB an update of nothing may wait for everybody's locks.
    keys = connection.scalars(select(row.c.project_key).where(row.c.closed_until.is_(None))).all()
    if keys:
        connection.execute(
            update(row)
            .where(row.c.project_key.in_(keys), row.c.closed_until.is_(None))
            .values(closed_until=row.c.created_at)
        )


def begin_writing(connection: Connection) -> None:
    """Prepare for taking locks: SQLite has one writer, so become it before anything is read.

    Tell PostgreSQL for how long we wait for a lock: a transaction of the host's that is left open
    must not stop everybody's closing.
    """
    if connection.dialect.name == "sqlite":
        row = table_of(BilledProjectRow)
        connection.execute(
            update(row).where(row.c.project_key.is_(None)).values(revision=row.c.revision)
        )
    elif connection.dialect.name == "postgresql":
        limit = func.set_config("lock_timeout", f"{PATIENCE_SECONDS}s", True)
        connection.execute(select(limit))


def _is_open() -> ColumnElement[bool]:
    """Return the condition that something is left to be closed, now or later."""
    row = table_of(BilledProjectRow).c
    return or_(row.ended_at.is_(None), row.closed_until < row.ended_at)


def _not_parked(parked_before: datetime | None) -> ColumnElement[bool]:
    row = table_of(BilledProjectRow).c
    if parked_before is None:
        return row.parked_reason.is_(None)
    return or_(row.parked_reason.is_(None), row.parked_at < parked_before)


def _due_in(month: Span, until: datetime) -> Sequence[ColumnElement[bool]]:
    row = table_of(BilledProjectRow).c
    within = (row.closed_until >= month.start, row.closed_until < month.end)
    if month.end <= until:
        return (*within, _is_open())
    return (*within, row.ended_at <= until, row.closed_until < row.ended_at)


def _period_from(start: datetime, ended_at: datetime | None) -> Span:
    end = month_of(start).end
    return Span(start, end if ended_at is None else min(end, ended_at))


def _waiting(query: Select[Any]) -> Select[Any]:
    """Lock what is found, and wait for it; how long is MariaDB's own to say in the statement."""
    return query.with_for_update().suffix_with(text(f"WAIT {PATIENCE_SECONDS}"), dialect="mariadb")


def _with_index(query: Select[Any]) -> Select[Any]:
    """Have MariaDB lock what it finds in order; with another plan it locks all before it sorts."""
    row = table_of(BilledProjectRow)
    return query.with_hint(row, _INDEX, "mysql").with_hint(row, _INDEX, "mariadb")
