"""Moves what is running at an older version of a rate to the one that holds at a cut-off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from flask_billing import clock, transactions
from flask_billing.errors import UnknownRate
from flask_billing.ids import uuid7
from flask_billing.metering import registry, spans
from flask_billing.metering.standing import standings
from flask_billing.models import BillingRecord, table_of
from flask_billing.rates import Rate
from flask_billing.state import current

__all__ = ["Migrated", "migrate"]

#: So many records are moved in one transaction.
_BATCH = 500


@dataclass
class Migrated:
    """How many running records were moved, and how many were left alone.

    :ivar closed: Of projects that are closed until after the cut-off.
    """

    moved: int = 0
    closed: int = 0


def migrate(
    name: str,
    *,
    at: datetime,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda looked: None,
) -> Migrated:
    """End running records of older versions of a rate at a cut-off, and go on with the newer one.

    Commits batch by batch. What is moved is not found again, so that it can be repeated after it
    was broken off.

    :param progress: Called after each batch with how many records were looked at.
    :raises UnknownRate: No rate of the name holds at the cut-off.
    :raises ValueError: The cut-off is in the future, or the rate is one of usage events.
    :raises RuntimeError: The session has unsaved changes.
    """
    transactions.require_clean()
    done, looked = Migrated(), 0
    for target, older in _targets(name, at):
        after: UUID | None = None
        while True:
            connection = transactions.fresh_connection()
            page = _page(connection, older, after)
            if not page:
                break
            _migrate_page(connection, page, target, at, done, dry_run=dry_run)
            looked += len(page)
            after = page[-1].id
            current().db.session.commit()
            progress(looked)
    current().db.session.commit()
    return done


def _targets(name: str, at: datetime) -> list[tuple[Rate, list[UUID]]]:
    """Return, for each currency, the version that holds at `at` and the ids of older ones."""
    if at > clock.now():
        raise ValueError("The cut-off must not be in the future: records run at one rate from it.")
    book = current().settings.rates
    if book.unit_of(name) == "count":
        raise ValueError(f"{name} is a rate of usage events, which run at no rate.")
    found = []
    for currency in book.currencies(name):
        target = book.at(name, currency, at)
        if target is not None:
            versions = book.versions(name, currency)
            older = [rate.id for rate in versions if rate.active_from < target.active_from]
            found.append((target, older))
    if not found:
        raise UnknownRate(f"There is no rate {name} that holds at the cut-off.")
    return found


def _page(connection: Connection, older: Sequence[UUID], after: UUID | None) -> Sequence[Row[Any]]:
    record = table_of(BillingRecord)
    query = (
        select(record)
        .where(record.c.open_marker == 1, record.c.rate_id.in_(older))
        .order_by(record.c.id)
        .limit(_BATCH)
    )
    return connection.execute(query if after is None else query.where(record.c.id > after)).all()


def _migrate_page(
    connection: Connection,
    page: Sequence[Row[Any]],
    target: Rate,
    at: datetime,
    done: Migrated,
    *,
    dry_run: bool,
) -> None:
    keys = {row.project_key for row in page}
    spans.lock(connection, keys)
    standing = standings(connection, keys)
    record = table_of(BillingRecord)
    still = select(record).where(
        record.c.id.in_([row.id for row in page]), record.c.open_marker == 1
    )
    rows = connection.execute(still.with_for_update()).all()
    movable = []
    for row in rows:
        closed_until = standing[row.project_key].closed_until
        if closed_until is not None and closed_until > at:
            done.closed += 1
        else:
            done.moved += 1
            movable.append(row)
    if movable and not dry_run:
        registry.ensure(connection, [target])
        _move(connection, movable, target, at)


def _move(connection: Connection, rows: Iterable[Row[Any]], target: Rate, at: datetime) -> None:
    """Have what runs go on from the cut-off, and write down beside it what it was before.

    The row that runs stays the same one: a change that waits for it here finds it again.
    """
    record = table_of(BillingRecord)
    ordered = sorted(rows, key=lambda row: (row.resource_type, row.resource_id, row.slot))
    going_on = update(record).where(record.c.id == bindparam("running"))
    going_on = going_on.values(started_at=bindparam("moment"), rate_id=target.id)
    # On MariaDB one after the other, in the order in which everyone does.
    size = 1 if spans.is_mariadb(connection) else max(len(ordered), 1)
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        moments = {row.id: max(at, row.started_at) for row in part}
        connection.execute(
            going_on, [{"running": id_, "moment": moment} for id_, moment in moments.items()]
        )
        ended = [
            row._asdict() | {"id": uuid7(), "ended_at": moments[row.id], "open_marker": None}
            for row in part
        ]
        connection.execute(insert(record), ended)
