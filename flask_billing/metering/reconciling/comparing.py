"""Compares what runs for some resources with what they want."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.orm import Session

from flask_billing import projects
from flask_billing.metering.reconciling.drifts import Drift
from flask_billing.metering.resources import Reference, Wanted, wanted_by
from flask_billing.models import (
    BilledProjectRow,
    BillingPause,
    BillingRate,
    BillingRecord,
    table_of,
)
from flask_billing.state import current

__all__ = ["compare"]


def compare(session: Session, rows: Sequence[Any]) -> dict[Any, tuple[Wanted, list[Drift]]]:
    """Return, for each row whose records are not as they should be, what should be."""
    book = current().settings.rates
    asked = {row: wanted_by(row, book) for row in rows}
    connection = projects.connection(session)
    references = [wanted.resource for wanted in asked.values()]
    running = _running(connection, references)
    unbilled = _unbilled(connection, {w.project_key for w in asked.values()})
    paused = _paused(connection, references)
    found = {}
    for row, wanted in asked.items():
        if wanted.resource in paused or wanted.project_key in unbilled:
            wanted = wanted._replace(uses=())  # noqa: PLW2901 - what it asks for does not count
        drifts = list(_drifts(wanted, running.get(wanted.resource, {})))
        if drifts:
            found[row] = wanted, drifts
    return found


def _drifts(wanted: Wanted, running: dict[str, Any]) -> Iterator[Drift]:
    uses = wanted.uses if wanted.project_key is not None else ()
    for use in uses:
        record = running.get(use.slot)
        if record is None:
            yield Drift("missing", wanted.project_key, *wanted.resource, use.slot)
        elif (record.name, record.quantity, record.project_key) != (
            use.rate,
            use.quantity,
            wanted.project_key,
        ):
            yield Drift("differing", wanted.project_key, *wanted.resource, use.slot)
    for slot in sorted(set(running) - {use.slot for use in uses}):
        yield Drift("unwanted", running[slot].project_key, *wanted.resource, slot)


def _running(
    connection: Connection, references: Iterable[Reference]
) -> dict[Reference, dict[str, Any]]:
    record, rate = table_of(BillingRecord), table_of(BillingRate)
    query = select(
        record.c.resource_type,
        record.c.resource_id,
        record.c.slot,
        record.c.quantity,
        record.c.project_key,
        rate.c.name,
    ).join(rate, rate.c.id == record.c.rate_id)
    found: dict[Reference, dict[str, Any]] = defaultdict(dict)
    for kind, ids in _by_kind(references):
        named = (record.c.resource_type == kind) & record.c.resource_id.in_(ids)
        for row in connection.execute(query.where(record.c.open_marker == 1, named)):
            found[Reference(row.resource_type, row.resource_id)][row.slot] = row
    return found


def _unbilled(connection: Connection, keys: Iterable[str | None]) -> set[str]:
    row = table_of(BilledProjectRow)
    wanted = {key for key in keys if key is not None}
    unbilled = row.c.billable.is_(False) | row.c.ended_at.is_not(None)
    query = select(row.c.project_key).where(row.c.project_key.in_(wanted), unbilled)
    return set(connection.scalars(query))


def _paused(connection: Connection, references: Iterable[Reference]) -> set[Reference]:
    pause = table_of(BillingPause)
    query = select(pause.c.resource_type, pause.c.resource_id)
    found = set()
    for kind, ids in _by_kind(references):
        named = (pause.c.resource_type == kind) & pause.c.resource_id.in_(ids)
        found |= {Reference(*row) for row in connection.execute(query.where(named))}
    return found


def _by_kind(references: Iterable[Reference]) -> Iterable[tuple[str, list[str]]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for reference in references:
        kinds[reference.resource_type].append(reference.resource_id)
    return kinds.items()
