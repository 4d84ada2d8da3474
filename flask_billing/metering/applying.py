"""Makes records run as resources want them, in the transaction of the change itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError

from flask_billing import clock
from flask_billing.errors import UnknownRate
from flask_billing.ids import uuid7
from flask_billing.metering import registry, spans
from flask_billing.metering.resources import Reference, Use, Wanted
from flask_billing.metering.standing import standings
from flask_billing.rates import Rate
from flask_billing.settings import Settings
from flask_billing.state import current

__all__ = ["apply", "change", "end", "write_down_rates"]

#: MariaDB's number for a key that is there already.
_DUPLICATE = 1062


def write_down_rates(connection: Connection, wanting: Iterable[Wanted]) -> None:
    """Write down the rates that are about to be used for the first time.

    To be done before anything is locked that others may hold while they do it.

    :raises UnknownRate: One of them holds in no currency yet.
    """
    settings, now = current().settings, clock.now()
    names = sorted({use.rate for wanted in wanting for use in wanted.uses})
    rates = [rate for name in names for rate in _rates(settings, name, now).values()]
    registry.ensure(connection, rates)


def apply(
    connection: Connection,
    *,
    born: Sequence[Wanted],
    changed: Sequence[Wanted],
    gone: Sequence[Reference],
) -> None:
    """Make records follow what a flush has created, changed and deleted."""
    if not spans.is_mariadb(connection):
        end(connection, gone)
        _begin(connection, born)
        change(connection, changed)
        return
    # One after the other, in one order: what is locked there covers the neighbour above too.
    fresh = {wanted.resource for wanted in born}
    ended = [Wanted(resource, None, ()) for resource in gone]
    for wanted in _ordered([*ended, *born, *changed]):
        (_begin if wanted.resource in fresh else _change)(connection, [wanted])
    if gone:
        spans.unpause(connection, gone)


def _begin(connection: Connection, born: Sequence[Wanted]) -> None:
    """Open what new resources want; one statement, where nothing stands in the way."""
    using: list[Wanted] = []
    idle: list[Wanted] = []
    for wanted in born:
        (using if wanted.project_key is not None and wanted.uses else idle).append(wanted)
    # A resource that was deleted by SQL may have left its pause to the next one with its key.
    spans.unpause(connection, [wanted.resource for wanted in idle])
    if not using:
        return
    if _open(connection, using, fresh=True):
        return
    # The project is internal, or we have no row for it yet, or the key of a resource that was
    # deleted by SQL is used again.
    spans.unpause(connection, [wanted.resource for wanted in using])
    standings(connection, {wanted.project_key for wanted in using if wanted.project_key})
    change(connection, using)


def change(connection: Connection, changed: Iterable[Wanted]) -> None:
    """End what resources do not want any more, and open what they want and have not."""
    ordered = _ordered(changed)
    if not spans.is_mariadb(connection):
        _change(connection, ordered)
        return
    for wanted in ordered:
        _change(connection, [wanted])


def end(connection: Connection, gone: Sequence[Reference]) -> None:
    """End what runs for resources that are no more, and forget that they were paused."""
    if gone:
        spans.close_of_resources(connection, gone)
        # A database may give their keys to others.
        spans.unpause(connection, gone)


def _change(connection: Connection, changed: Sequence[Wanted]) -> None:
    settings = current().settings
    shapes: dict[spans.Shape, list[dict[str, Any]]] = defaultdict(list)
    for wanted in changed:
        rates = [_versions(settings, use.rate) for use in wanted.uses]
        shapes[tuple(map(len, rates))].append(_kept(wanted, rates))
    for shape, rows in shapes.items():
        spans.close_unwanted(connection, shape, rows)
    _open(connection, [wanted for wanted in changed if wanted.project_key is not None])


def _ordered(wanting: Iterable[Wanted]) -> list[Wanted]:
    """Return them in the order in which everyone locks."""
    return sorted(wanting, key=lambda wanted: wanted.resource)


def _kept(wanted: Wanted, rates: Sequence[Sequence[UUID]]) -> dict[str, Any]:
    """Return the parameters that tell what of a resource may go on."""
    row = _parameters(wanted)
    for place, use in enumerate(wanted.uses):
        row |= {f"slot_{place}": use.slot, f"quantity_{place}": use.quantity}
        row |= {f"rate_{place}_{number}": id_ for number, id_ in enumerate(rates[place])}
    return row


def _parameters(wanted: Wanted) -> dict[str, Any]:
    kind, resource = wanted.resource
    return {"kind": kind, "resource": resource, "key": wanted.project_key}


def _versions(settings: Settings, name: str) -> list[UUID]:
    book = settings.rates
    return [rate.id for code in book.currencies(name) for rate in book.versions(name, code)]


def _open(connection: Connection, wanting: Iterable[Wanted], *, fresh: bool = False) -> bool:
    """Open what is wanted and does not run, and return whether that was all of it.

    :raises UnknownRate: A project's currency has no rate of a name that is used.
    """
    settings, now = current().settings, clock.now()
    # What is opened again locks its neighbour above on MariaDB, so the last slot comes first: a
    # second one would be inserted right where others wait for that neighbour by then.
    order = 1 if fresh else -1
    uses = [(wanted, use) for wanted in _ordered(wanting) for use in wanted.uses[::order]]
    if not uses:
        return True
    rates = {name: _rates(settings, name, now) for name in {use.rate for _, use in uses}}
    currencies = tuple(sorted({code for found in rates.values() for code in found}))
    rows = [
        _opened(wanted, use, rates[use.rate], currencies)
        | {"at": now, "default_currency": settings.currency}
        for wanted, use in uses
    ]
    statement = spans.opening(connection.dialect.name, currencies, fresh=fresh)
    try:
        # Drivers forget how many rows an INSERT made unless they are told.
        done = connection.execute(statement, rows, execution_options={"preserve_rowcount": True})
        return done.rowcount == len(rows)
    except IntegrityError as error:
        if fresh and spans.is_mariadb(connection) and _code(error) == _DUPLICATE:
            return False
        if "rate_id" in str(error.orig) and "null" in str(error.orig).lower():
            raise _unknown(rates) from None
        raise


def _opened(
    wanted: Wanted, use: Use, rates: dict[str, Rate], currencies: Iterable[str]
) -> dict[str, Any]:
    ids = {f"rate_{code}": rates[code].id if code in rates else None for code in currencies}
    slot = {"record_id": uuid7(), "wanted_slot": use.slot, "amount": use.quantity}
    return _parameters(wanted) | slot | ids


def _rates(settings: Settings, name: str, moment: datetime) -> dict[str, Rate]:
    """Return what a name costs at a moment, in each currency.

    :raises UnknownRate: Nothing, in any currency.
    """
    book = settings.rates
    found = {code: book.at(name, code, moment) for code in book.currencies(name)}
    rates = {code: rate for code, rate in found.items() if rate is not None}
    if not rates:
        raise UnknownRate(f"No rate {name} holds yet. Add one with an earlier active_from.")
    return rates


def _unknown(rates: Iterable[str]) -> UnknownRate:
    names = ", ".join(sorted(rates))
    return UnknownRate(
        f"A project's currency has no rate among {names} that holds now. Add it to BILLING_RATES, "
        "or give the project another billing_currency."
    )


def _code(error: IntegrityError) -> Any:
    arguments = getattr(error.orig, "args", ())
    return arguments[0] if arguments else None
