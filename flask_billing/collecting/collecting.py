"""Collects all that is due, side by side in threads, on any number of hosts at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

from flask import Flask, current_app
from sqlalchemy import func, select
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from flask_billing import clock, projects
from flask_billing.collecting.claiming import (
    ACTIVE,
    claim,
    is_due,
    of_projects,
    transaction,
)
from flask_billing.collecting.loading import Work
from flask_billing.collecting.outcomes import CollectReport
from flask_billing.collecting.parked import settle_parked
from flask_billing.collecting.working import work_on
from flask_billing.models import BilledProjectRow, Invoice, InvoiceCollection, table_of
from flask_billing.state import current
from flask_billing.transactions import is_broken_off, require_clean

__all__ = ["collect", "due_count", "due_keys", "mend"]

#: How many rows one statement makes at most.
_AT_ONCE = 5_000
_TRIES = 5


def collect(
    project_key: str | None = None,
    *,
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
    keys: Collection[str] | None = None,
) -> CollectReport:
    """Issue and collect what is due; commits the session. Safe on several hosts at once.

    :param project_key: Of this project alone.
    :param limit: How many invoices at most; `None` for all that are due.
    :param stop: Asked before each invoice, by every thread.
    :param keys: Of these projects alone.
    """
    require_clean()
    mend()
    if project_key is not None:
        keys = [project_key]
    report = _collect(limit, stop, keys)
    settle_parked(keys, stop=stop)
    return report


def _collect(
    limit: int | None, stop: Callable[[], bool], keys: Collection[str] | None
) -> CollectReport:
    due = due_count(keys)
    todo = _Todo(due if limit is None else min(due, limit), stop, keys)
    threads = min(_threads(), todo.left)
    if threads <= 1:
        return todo.work() if todo.left else CollectReport()
    app = current_app._get_current_object()  # type: ignore[attr-defined]
    with ThreadPoolExecutor(threads, thread_name_prefix="billing-collect") as pool:
        begun = [pool.submit(_in_context, app, todo) for _ in range(threads)]
        return sum((each.result() for each in begun), start=CollectReport())


class _Todo:
    """What is left to be claimed, shared by threads.

    No more than was due in the beginning: what becomes due meanwhile is the next run's.
    """

    def __init__(self, left: int, stop: Callable[[], bool], keys: Collection[str] | None) -> None:
        self.left = left
        self._stop = stop
        self._keys = keys
        self._lock = Lock()

    def work(self) -> CollectReport:
        """Work on one invoice after the other, until there is none."""
        ends: Counter[str] = Counter()
        for state in ACTIVE:
            while (work := self._claim(state)) is not None:
                ends[work_on(work)] += 1
                ends["issued"] += work.was_issued
        fields = CollectReport.__dataclass_fields__
        return CollectReport(**{name: ends[name] for name in fields})

    def _claim(self, state: str) -> Work | None:
        with self._lock:
            if self.left <= 0 or self._stop():
                return None
            self.left -= 1
        work = _claim(state, self._keys)
        if work is None:
            with self._lock:
                self.left += 1
        return work


def _claim(state: str, keys: Collection[str] | None) -> Work | None:
    """Claim an invoice, once more where the database broke that off in favour of somebody else."""
    for _ in range(_TRIES):
        try:
            return claim(state, keys)
        except DBAPIError as error:
            current().db.session.rollback()
            if not is_broken_off(error):
                raise
    return None


def _in_context(app: Flask, todo: _Todo) -> CollectReport:
    # A context of its own gives each thread a database session of its own.
    with app.app_context():
        return todo.work()


def _threads() -> int:
    # SQLite has one writer: threads would only wait for each other.
    is_sqlite = projects.bind_of(current().db.session).dialect.name == "sqlite"
    return 1 if is_sqlite else current().settings.collect_threads


def due_count(keys: Collection[str] | None = None) -> int:
    """Return how many invoices somebody has to look at now.

    :param keys: Of these projects alone.
    """
    row = table_of(InvoiceCollection).c
    query = select(func.count()).where(
        row.state.in_(ACTIVE), *is_due(clock.now()), *of_projects(keys)
    )
    session = current().db.session
    found = projects.connection(session).scalar(query.select_from(row.state.table))
    session.commit()
    return found or 0


def due_keys(limit: int) -> list[str]:
    """Return the projects whose invoices somebody has to look at now, the longest due first."""
    row, invoice = table_of(InvoiceCollection).c, table_of(Invoice).c
    query = (
        select(invoice.project_key)
        .join(row.state.table, row.invoice_id == invoice.id)
        .where(row.state.in_(ACTIVE), *is_due(clock.now()))
        .group_by(invoice.project_key)
        .order_by(func.min(row.next_try_at))
        .limit(limit)
    )
    session = current().db.session
    found = list(projects.connection(session).scalars(query))
    session.commit()
    return found


def mend() -> int:
    """Make the rows of closed invoices that have none; commits the session.

    Closing makes them itself; this is for invoices that came into the tables another way. Projects
    that are past due with nothing left to be paid go on, too.

    :returns: How many rows.
    """
    made = 0
    while (count := _mend()) > 0:
        made += count
    _let_go_on()
    return made


def _let_go_on() -> None:
    """Let projects create resources again that no unpaid invoice keeps from it any more."""
    project, row = table_of(BilledProjectRow).c, table_of(InvoiceCollection).c
    unpaid = (
        select(row.invoice_id)
        .join(Invoice, Invoice.id == row.invoice_id)
        .where(Invoice.project_key == project.project_key, row.state != "done")
    )
    query = select(project.project_key).where(project.past_due_since.is_not(None), ~unpaid.exists())
    with transaction() as connection:
        keys = list(connection.scalars(query.limit(_AT_ONCE)))
    for key in keys:
        # A transaction of the host may hold it for long: the others must not wait for that.
        free = select(project.project_key).where(project.project_key == key)
        with transaction() as connection:
            if connection.scalar(free.with_for_update(skip_locked=True)) is not None:
                projects.clear_past_due(connection, key)


def _mend() -> int:
    row, invoice = table_of(InvoiceCollection), table_of(Invoice)
    has_row = select(row.c.invoice_id).where(row.c.invoice_id == invoice.c.id).exists()
    missing = (
        select(invoice.c.id)
        .where(invoice.c.state == "closed", invoice.c.due > 0, ~has_row)
        .limit(_AT_ONCE)
    )
    with transaction() as connection:
        found = [{"invoice_id": each} | _new() for each in connection.scalars(missing)]
        if found:
            name = connection.dialect.name
            if name == "postgresql":
                connection.execute(postgresql.insert(row).on_conflict_do_nothing(), found)
            elif name == "sqlite":
                connection.execute(sqlite.insert(row).on_conflict_do_nothing(), found)
            else:
                new = mysql.insert(row)
                same = new.on_duplicate_key_update(invoice_id=row.c.invoice_id)
                connection.execute(same, found)
    return len(found)


def _new() -> dict[str, object]:
    now = clock.now()
    return {
        "livemode": current().settings.livemode,
        "stamp": 0,
        "state": "waiting",
        "state_since": now,
        "next_try_at": now,
        "round": 0,
        "failures": 0,
    }
