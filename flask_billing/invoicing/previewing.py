"""Says what closing would come to, without closing anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection

from flask_billing import clock
from flask_billing.invoicing import due, parking, reissuing
from flask_billing.invoicing.batch import RECORDS, priced
from flask_billing.invoicing.closing import PROJECTS, oldest_of, refuse_changed_rates
from flask_billing.invoicing.due import OpenProject
from flask_billing.invoicing.loading import Facts, Rates, load
from flask_billing.periods import Span
from flask_billing.pricing import Priced
from flask_billing.state import current
from flask_billing.transactions import fresh_connection, require_clean

__all__ = ["Preview", "preview"]


class Preview(NamedTuple):
    """What a project's oldest open period comes to.

    :ivar reason: Why it would be parked, in one word.
    """

    project: OpenProject
    priced: Priced | None
    reason: str | None


def preview(
    period: Span | None = None, project_key: str | None = None, *, accept: bool = False
) -> Iterator[list[Preview]]:
    """Yield what closing would write for each project's oldest open period; writes nothing.

    What later months come to depends on it, so they are not looked at. Of a month and a project,
    also what would be issued anew.

    :raises ClosingRefused: The month has not ended, rates have changed, or the project is parked.
    :raises UnknownProject: There is no such project.
    """
    require_clean()
    until = due.ended_by(period)
    parked_before = clock.now() if accept else None
    try:
        connection = fresh_connection()
        refuse_changed_rates(connection)
        rates = Rates()
        if project_key is None:
            found = _everybodys(connection, until, parked_before)
        else:
            found = _somebodys(connection, until, parked_before, project_key, period)
        for chosen in found:
            yield _previews(connection, chosen, rates)
    finally:
        current().db.session.rollback()


def _everybodys(
    connection: Connection, until: datetime, parked_before: datetime | None
) -> Iterator[list[OpenProject]]:
    end: datetime | None = None
    while month := due.first_month(connection, until, after=end, parked_before=parked_before):
        after = ""
        while chosen := due.look(
            connection, month, until, after=after, limit=PROJECTS, parked_before=parked_before
        ):
            yield chosen
            after = chosen[-1].key
        end = month.end


def _somebodys(
    connection: Connection,
    until: datetime,
    parked_before: datetime | None,
    project_key: str,
    period: Span | None,
) -> Iterator[list[OpenProject]]:
    oldest = oldest_of(connection, project_key, until, parked_before, locked=False)
    if oldest:
        yield oldest
    if period is None:
        return
    for span in reissuing.voided(connection, project_key, period):
        yield reissuing.claim(connection, project_key, span, locked=False)


def _previews(connection: Connection, chosen: Sequence[OpenProject], rates: Rates) -> list[Preview]:
    """Price periods, however many records each has."""
    found: list[Preview] = []
    left = sorted(chosen)
    while left:
        facts = load(connection, left, rates, most=RECORDS)
        found += map(_preview, facts)
        left = left[len(facts) :]
    closed = [(project, priced) for project, priced, _ in found if priced is not None]
    odd = parking.unusual(connection, closed)
    return [
        each._replace(reason="unusual_total") if each.project.key in odd else each for each in found
    ]


def _preview(facts: Facts) -> Preview:
    try:
        return Preview(facts.project, priced(facts), None)
    except Exception as error:  # noqa: BLE001 - as closing does, which parks it
        return Preview(facts.project, None, parking.reason_of(error, facts.project))
