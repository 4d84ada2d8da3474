"""Closes a few periods in one short transaction: lock, read, price, write, commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from flask_billing.invoicing import due, parking
from flask_billing.invoicing.due import OpenProject
from flask_billing.invoicing.loading import Facts, Rates, load
from flask_billing.invoicing.outcomes import CloseReport, Outcome, tell
from flask_billing.invoicing.writing import write
from flask_billing.pricing import Priced, price
from flask_billing.state import current
from flask_billing.transactions import code_of, fresh_connection, is_broken_off

__all__ = ["Busy", "Choice", "priced", "run"]

#: Locks what is to be closed, and returns it.
Choice = Callable[[Connection], Sequence[OpenProject]]

#: About how many records a transaction reads.
RECORDS = 5_000
#: How often a transaction is tried that the database broke off in favour of another.
_TRIES = 5
_WAITED = frozenset({"55P03", 1205})


class Busy(Exception):
    """Somebody holds the lock for longer than we wait."""


def run(choose: Choice, rates: Rates) -> CloseReport | None:
    """Close what `choose` locks, in a transaction; commits the session.

    :returns: `None` where it chooses nothing.
    :raises Busy: Somebody else had the lock for too long.
    """
    for last in (*[False] * (_TRIES - 1), True):
        try:
            return _run(choose, rates)
        except DBAPIError as error:
            if code_of(error) in _WAITED:
                raise Busy from None
            if last or not is_broken_off(error):
                raise
    raise AssertionError


def priced(facts: Facts) -> Priced:
    """Return what a period comes to.

    :raises ValueError: It can't be priced; the message is one word that says why.
    """
    return price(facts.terms, facts.records, facts.totals)


def _run(choose: Choice, rates: Rates) -> CloseReport | None:
    session = current().db.session
    chosen: Sequence[OpenProject] = ()
    try:
        connection = fresh_connection()
        due.begin_writing(connection)
        chosen = choose(connection)
        outcome = _close(connection, chosen, rates) if chosen else None
        session.commit()
    except Exception as error:
        session.rollback()
        # Other errors of the database's are not the project's, and would stop all the others too.
        own = not isinstance(error, DBAPIError) or isinstance(error, DataError | IntegrityError)
        if not chosen or not own:
            raise
        return _one_by_one(chosen, rates) if len(chosen) > 1 else _set_aside(chosen[0], error)
    except BaseException:
        session.rollback()
        raise
    if outcome is None:
        return None
    tell(outcome)
    return outcome.report()


def _close(connection: Connection, chosen: Sequence[OpenProject], rates: Rates) -> Outcome:
    """Price periods and write what comes of it, under the locks of their projects."""
    closed: list[tuple[OpenProject, Priced]] = []
    parked: list[tuple[OpenProject, str]] = []
    for facts in load(connection, chosen, rates, most=RECORDS):
        try:
            closed.append((facts.project, priced(facts)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the rest must not suffer from it
            parked.append((facts.project, parking.reason_of(error, facts.project)))
    odd = parking.unusual(connection, closed)
    parked += [(project, "unusual_total") for project, _ in closed if project.key in odd]
    fine = [each for each in closed if each[0].key not in odd]
    invoice_ids = write(connection, fine)
    parking.write_parked(connection, parked)
    return Outcome(len(fine), invoice_ids, parked)


def _one_by_one(chosen: Sequence[OpenProject], rates: Rates) -> CloseReport:
    """Find the one that the others failed with, which is parked then."""
    reports = (run(lambda to: _same(to, project), rates) for project in chosen)  # noqa: B023 - called at once
    return sum((report for report in reports if report is not None), start=CloseReport())


def _set_aside(project: OpenProject, error: Exception) -> CloseReport:
    """Park a project in a transaction of its own."""
    connection = fresh_connection()
    due.begin_writing(connection)
    parked = [(each, parking.reason_of(error, each)) for each in _same(connection, project)]
    parking.write_parked(connection, parked)
    current().db.session.commit()
    outcome = Outcome(parked=parked)
    tell(outcome)
    return outcome.report()


def _same(connection: Connection, project: OpenProject) -> list[OpenProject]:
    """Lock a project again, and return its period unless somebody else was faster."""
    row = due.claim_one(connection, project.key)
    if row is None:
        return []
    if project.is_reissue:
        return [project]
    again = due.of_row(row)
    is_same = again.period == project.period and again.parked_reason == project.parked_reason
    return [again] if is_same else []
