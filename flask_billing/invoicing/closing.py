"""Closes periods that have ended: one invoice for each, whatever happened in between.

Projects are claimed from the database in batches, a short transaction each. So any number of hosts
share the work, one that dies leaves nothing half done, and memory stays flat.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from flask_billing import clock
from flask_billing.errors import ClosingRefused
from flask_billing.invoicing import due, parking, reissuing
from flask_billing.invoicing.batch import Busy, Choice, run
from flask_billing.invoicing.due import OpenProject
from flask_billing.invoicing.loading import Rates
from flask_billing.invoicing.outcomes import CloseReport
from flask_billing.keys import require_known
from flask_billing.metering import registry
from flask_billing.periods import Span
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["batches", "close", "due_count", "oldest_of", "refuse_changed_rates"]

#: How many projects a transaction closes at most.
PROJECTS = 200


def close(
    period: Span | None = None,
    project_key: str | None = None,
    *,
    accept: bool = False,
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> CloseReport:
    """Close every period that has ended and is not closed; commits the session.

    Safe at any time and on several hosts at once. The months of a project are closed in order.

    :param period: A month; later ones are left alone.
    :param project_key: Of this project alone. With `period`, an invoice of that month that became
        void is issued anew.
    :param accept: Close what is parked too: somebody has looked at it. What is void stays void.
    :param limit: How many periods at most.
    :param stop: Asked before each batch.
    :raises ClosingRefused: The month has not ended, rates have changed, the project is parked, or
        an earlier month has to be issued anew first.
    :raises UnknownProject: There is no such project.
    """
    reports = batches(period, project_key, accept=accept, limit=limit, stop=stop)
    return sum(reports, start=CloseReport())


def batches(
    period: Span | None = None,
    project_key: str | None = None,
    *,
    accept: bool = False,
    limit: int | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Iterator[CloseReport]:
    """Do what :func:`close` does, and yield what each batch came to."""
    require_clean()
    work = _Work(due.ended_by(period), clock.now() if accept else None, limit, stop)
    _begin()
    try:
        if project_key is None:
            yield from _everybody(work)
        else:
            yield from _somebody(work, project_key, period)
    except Busy:
        # Of one project only; for all of them the others are done meanwhile.
        yield CloseReport(busy=1)


def due_count(period: Span | None = None, *, accept: bool = False) -> int:
    """Return how many periods have ended and are not closed.

    :raises ClosingRefused: The month has not ended.
    """
    connection = fresh_connection()
    until = due.ended_by(period)
    found = due.count(connection, until, parked_before=clock.now() if accept else None)
    current().db.session.rollback()
    return found


def refuse_changed_rates(connection: Connection) -> None:
    """Refuse to bill while the file of rates is not what was used.

    :raises ClosingRefused: A rate was changed, or is gone.
    """
    differences = registry.check(connection)
    if differences:
        texts = " ".join(each.text for each in differences[:3])
        raise ClosingRefused(f"Nothing is closed while rates differ from those in use. {texts}")


@dataclass
class _Work:
    """What there is to do, and how much of it is left to us."""

    until: datetime
    #: Projects that were parked before are closed too.
    parked_before: datetime | None
    left: int | None
    stop: Callable[[], bool]
    rates: Rates = field(default_factory=Rates)

    def goes_on(self) -> bool:
        return (self.left is None or self.left > 0) and not self.stop()

    def at_most(self, most: int) -> int:
        return most if self.left is None else min(most, self.left)

    def do(self, choose: Choice) -> CloseReport | None:
        report = run(choose, self.rates)
        if report is not None and self.left is not None:
            self.left -= report.closed + report.parked
        return report


def _begin() -> None:
    session = current().db.session
    try:
        connection = fresh_connection()
        due.mend_beginnings(connection)
        refuse_changed_rates(connection)
        session.commit()
    except BaseException:
        session.rollback()
        raise


def _everybody(work: _Work) -> Iterator[CloseReport]:
    after: datetime | None = None
    while work.goes_on():
        month = due.first_month(
            fresh_connection(), work.until, after=after, parked_before=work.parked_before
        )
        current().db.session.rollback()
        if month is None:
            return
        try:
            yield from _month(work, month)
        except Busy:
            yield CloseReport(busy=1)
        after = month.end


def _month(work: _Work, month: Span) -> Iterator[CloseReport]:
    """Close what is due of a month: first what nobody else has locked, then what is left."""

    def claim(connection: Connection, *, limit: int, wait: bool) -> list[OpenProject]:
        return due.claim(
            connection,
            month,
            work.until,
            limit=limit,
            wait=wait,
            parked_before=work.parked_before,
        )

    while work.goes_on():
        most = work.at_most(PROJECTS)
        report = work.do(lambda to: claim(to, limit=most, wait=False)) or work.do(  # noqa: B023 - called at once
            lambda to: claim(to, limit=1, wait=True)
        )
        if report is None:
            return
        yield report


def _somebody(work: _Work, project_key: str, period: Span | None) -> Iterator[CloseReport]:
    """Close what is due of one project, in order."""
    while work.goes_on():
        report = work.do(lambda to: oldest_of(to, project_key, work.until, work.parked_before))
        if report is None:
            break
        yield report
        if report.parked:
            return
    if period is None:
        if work.parked_before is not None:
            work.do(lambda to: reissuing.give_up(to, project_key))
        return
    for span in reissuing.voided(fresh_connection(), project_key, period):
        if work.goes_on() and (
            report := work.do(lambda to: reissuing.claim(to, project_key, span))  # noqa: B023 - called at once
        ):
            yield report


def oldest_of(
    connection: Connection,
    project_key: str,
    until: datetime,
    parked_before: datetime | None,
    *,
    locked: bool = True,
) -> list[OpenProject]:
    """Lock a project and return its oldest open period, if that has ended by `until`.

    :param locked: Otherwise it is only looked at.
    :raises ClosingRefused: It is parked, and was not before `parked_before`.
    :raises UnknownProject: There is no such project.
    """
    # One of the host's that never needed a row of ours has nothing to be closed.
    row = None
    if require_known(connection, project_key):
        row = due.claim_one(connection, project_key, locked=locked)
    if row is None or row.closed_until is None:
        return []
    if next(due.unclosed(row.closed_until, row.ended_at, until), None) is None:
        return []
    if row.parked_reason is not None and (parked_before is None or row.parked_at >= parked_before):
        raise ClosingRefused(
            f"Project {project_key} is parked ({row.parked_reason}): "
            f"{parking.PARKED_BECAUSE.get(row.parked_reason, row.parked_reason)}. Once you have "
            f"looked, close it with 'flask billing close --project {project_key} --accept'."
        )
    return [due.of_row(row)]
