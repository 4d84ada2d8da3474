"""Keeps the rates that were used as they were: none of them may change or vanish."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID
from weakref import ref

from sqlalchemy import Connection, Row, select
from sqlalchemy.dialects import mysql, postgresql, sqlite

from flask_billing import clock
from flask_billing.errors import RateChanged
from flask_billing.models import BillingRate, BillingRecord, UsageTotal, table_of
from flask_billing.rates import Rate, RateBook
from flask_billing.state import current

__all__ = ["Difference", "backdated", "check", "ensure"]


class Difference(NamedTuple):
    """A rate that is not in the file as it was when it was first used.

    :ivar kind: ``"changed"`` or ``"vanished"``.
    :ivar text: What differs and what to do, for people.
    """

    kind: str
    rate_id: UUID
    text: str


def ensure(connection: Connection, rates: Collection[Rate]) -> None:
    """Write down rates that are about to be used, in the transaction that uses them.

    Asks the database only about those that this process has not yet seen committed.

    :raises RateChanged: One was used before and was something else then.
    """
    known = current().known_rates
    unknown = {rate.id: rate for rate in rates if rate.id not in known}
    if not unknown:
        return
    found = _compared(connection, unknown)
    missing = {id_: rate for id_, rate in unknown.items() if id_ not in found}
    if missing:
        _insert(connection, missing.values())
        # Another process may have been faster, with another price.
        _compared(connection, missing)
    _remember(connection, found, missing)


def check(connection: Connection, rates: RateBook | None = None) -> list[Difference]:
    """Return how rates, by default the app's, differ from those that were used.

    Nothing is written. Where it finds something, no month may be closed.
    """
    rates = current().settings.rates if rates is None else rates
    table = table_of(BillingRate)
    order = (table.c.name, table.c.currency, table.c.active_from)
    rows = connection.execute(select(table).order_by(*order))
    return [found for row in rows if (found := _difference(row, rates.by_id(row.id)))]


def backdated(connection: Connection, rates: RateBook) -> list[Rate]:
    """Return rates that were never used, though another of their name was after they began.

    They came into the file too late: what is told late would cost another price than the rest. May
    read every record, so this is for commands.
    """
    used = set(connection.scalars(select(table_of(BillingRate).c.id)))
    now = clock.now()
    return [
        rate
        for rate in rates
        if rate.id not in used
        and rate.active_from < now
        and _was_used_since(connection, _former(rates, rate) & used, rate.active_from)
    ]


def _former(rates: RateBook, rate: Rate) -> set[UUID]:
    versions = rates.versions(rate.name, rate.currency)
    return {each.id for each in versions if each.active_from < rate.active_from}


def _was_used_since(connection: Connection, rate_ids: Collection[UUID], since: datetime) -> bool:
    if not rate_ids:
        return False
    record, total = table_of(BillingRecord).c, table_of(UsageTotal).c
    began = select(record.id).where(record.rate_id.in_(rate_ids), record.started_at >= since)
    told = select(total.day).where(total.rate_id.in_(rate_ids), total.day >= since.date())
    return any(connection.execute(query.limit(1)).first() for query in (began, told))


def _compared(connection: Connection, rates: Mapping[UUID, Rate]) -> set[UUID]:
    """Return the ids of those rates that are in the table.

    :raises RateChanged: One of them is not as it was.
    """
    table = table_of(BillingRate)
    rows = connection.execute(select(table).where(table.c.id.in_(rates))).all()
    differences = [_difference(row, rates[row.id]) for row in rows]
    if changed := [found.text for found in differences if found]:
        raise RateChanged(" ".join(changed))
    return {row.id for row in rows}


def _difference(row: Row[Any], rate: Rate | None) -> Difference | None:
    named = f"{row.name} ({row.currency}), which holds from {row.active_from:%Y-%m-%d} on,"
    if rate is None:
        text = f"{named} was used and is gone from the file of rates. Put it back: it is kept for "
        return Difference("vanished", row.id, text + "ever, also when nothing uses it any more.")
    pairs = {
        "unit": (row.unit, rate.unit),
        "unit_price": (_plain(row.unit_price), _plain(rate.unit_price)),
        "group": (row.group_name, rate.group),
    }
    changes = [f"{key} was {old} and is {new}" for key, (old, new) in pairs.items() if old != new]
    if not changes:
        return None
    text = f"{named} was used and has changed since: {', '.join(changes)}. Put it back; what "
    return Difference("changed", row.id, text + "changes is a new entry with a later date.")


def _plain(price: Decimal) -> str:
    """Return a price without zeros at its end, so that equal ones read the same."""
    return f"{price.normalize():f}"


def _insert(connection: Connection, rates: Iterable[Rate]) -> None:
    """Insert rates that others may be inserting too, in the order in which everyone does."""
    table = table_of(BillingRate)
    rows = [_row(rate) for rate in sorted(rates, key=lambda rate: rate.id)]
    if connection.dialect.name == "postgresql":
        connection.execute(postgresql.insert(table).values(rows).on_conflict_do_nothing())
    elif connection.dialect.name == "sqlite":
        connection.execute(sqlite.insert(table).values(rows).on_conflict_do_nothing())
    else:
        same = {"id": table.c.id}
        connection.execute(mysql.insert(table).values(rows).on_duplicate_key_update(same))


def _row(rate: Rate) -> dict[str, Any]:
    return {
        "id": rate.id,
        "name": rate.name,
        "unit": rate.unit,
        "unit_price": rate.unit_price,
        "currency": rate.currency,
        "active_from": rate.active_from,
        "group_name": rate.group,
        "created_at": clock.now(),
    }


def _remember(connection: Connection, found: Iterable[UUID], written: Iterable[UUID]) -> None:
    """Remember which rows are there for good.

    One that was found is, unless the same connection wrote it: it may still roll back, wholly or
    to a savepoint, and a commit may fail.
    """
    state = current()
    for rate_id in found:
        writer = state.rates_written.get(rate_id)
        if writer is None or writer() is not connection:
            state.known_rates.add(rate_id)
            state.rates_written.pop(rate_id, None)
    state.rates_written.update((rate_id, ref(connection)) for rate_id in written)
