"""Finds out what came of what was sent before an invoice was parked.

A parked invoice is not charged, and stays with the staff; but the outcome of an attempt that was
in flight is written down all the same, or it would be in the way of everything for ever.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from datetime import timedelta
from uuid import UUID

from flask import current_app
from sqlalchemy import ColumnElement, or_, select, update

from flask_billing import clock, projects
from flask_billing.collecting.asking import Missing, ask
from flask_billing.collecting.claiming import claim_one, has_flight, of_projects, transaction
from flask_billing.collecting.loading import Flight, Work
from flask_billing.collecting.paying import Outcome
from flask_billing.collecting.settling import told
from flask_billing.collecting.trying import next_look, write_outcome
from flask_billing.collecting.writing import Ended, end_attempt
from flask_billing.errors import GatewayError
from flask_billing.models import InvoiceCollection, table_of
from flask_billing.state import current

__all__ = ["settle_parked"]

#: How many at once.
_MOST = 100
#: After so long what nobody knows of never happened: its key is gone, and it is not sent again.
_NEVER_AFTER = timedelta(days=1)


def settle_parked(
    keys: Collection[str] | None = None, *, stop: Callable[[], bool] = lambda: False
) -> None:
    """Write what came of attempts whose invoices are parked; commits the session.

    :param keys: Of these projects alone.
    :param stop: Asked before each.
    """
    row, now = table_of(InvoiceCollection).c, clock.now()
    is_next = or_(row.next_try_at.is_(None), row.next_try_at <= now)
    is_parked = row.state == "parked"
    query = select(row.invoice_id).where(
        is_parked,
        row.livemode == current().settings.livemode,
        is_next,
        has_flight(),
        *of_projects(keys),
    )
    found = list(projects.connection().scalars(query.limit(_MOST)))
    current().db.session.commit()
    for invoice_id in found:
        if stop():
            return
        try:
            _look_at(invoice_id, is_parked, is_next)
        except Exception as error:  # noqa: BLE001 - whatever it is, the other invoices must go on
            current().db.session.rollback()
            # Its text may hold what no log should. The claim runs out by itself.
            current_app.logger.log(
                logging.ERROR,
                "The parked invoice %s was not looked at: %s.",
                invoice_id,
                type(error).__name__,
            )


def _look_at(invoice_id: UUID, *conditions: ColumnElement[bool]) -> None:
    work = claim_one(invoice_id, *conditions, has_flight())
    if work is not None and work.flight is not None:
        _settle(work, work.flight)


def _settle(work: Work, flight: Flight) -> None:
    outcome: Outcome | None
    try:
        outcome = told(work, flight, ask(work))
        is_known = True
    except (GatewayError, Missing):
        current().db.session.rollback()
        outcome, is_known = None, False
    is_unsent = flight.state == "sending" and flight.sent_at <= clock.now() - _NEVER_AFTER
    if outcome is not None:
        write_outcome(flight.id, flight.method_id, outcome)
    row = table_of(InvoiceCollection)
    with transaction() as connection:
        given_back = connection.execute(
            update(row)
            .where(row.c.invoice_id == work.invoice_id, row.c.claimed_by == work.token)
            .values(
                claimed_by=None, claimed_until=None, next_try_at=clock.now() + next_look(flight)
            )
        )
        if is_known and outcome is None and is_unsent and given_back.rowcount:
            end_attempt(connection, Ended(flight.id, "not_executed"))
