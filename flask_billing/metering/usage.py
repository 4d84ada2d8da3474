"""Records usage events: each one once, in the month whose invoice is to have it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Connection

from flask_billing import clock, projects
from flask_billing.ids import uuid7
from flask_billing.metering import landing, registry
from flask_billing.metering.landing import Entry, Stored
from flask_billing.metering.standing import Standing, standings
from flask_billing.metering.telling import Told, UsageRow, read
from flask_billing.settings import Settings
from flask_billing.state import current

__all__ = ["UsageResult", "UsageRow", "record_usage", "record_usage_batch"]

#: How far the clocks of those who tell may be ahead of ours.
_AHEAD = timedelta(minutes=5)


class UsageResult(NamedTuple):
    """What became of a usage event.

    :ivar state: ``"recorded"``, ``"duplicate"`` (it was told before, with the same content),
        ``"conflict"`` (another one was told under its id before; that one stays) or ``"refused"``.
    :ivar reason: Why it was refused, such as ``"unknown_rate"``; `None` otherwise.
    """

    event_id: str
    state: str
    reason: str | None = None

    @property
    def is_accepted(self) -> bool:
        """Whether the event counts, be it since now or since it was told before."""
        return self.state in {"recorded", "duplicate"}


def record_usage(
    project: Any,
    rate: str,
    quantity: Decimal | int,
    event_id: str,
    at: datetime | None = None,
    resource: Any = None,
) -> UsageResult:
    """Record one usage event; see :func:`record_usage_batch`."""
    [result] = record_usage_batch([UsageRow(project, rate, quantity, event_id, at, resource)])
    return result


def record_usage_batch(rows: Iterable[UsageRow | Mapping[str, Any]]) -> list[UsageResult]:
    """Record usage events in the session's transaction, and say of each what became of it.

    Nothing is committed: the host does that, together with what it writes itself. Until then a
    month of these projects can't be closed.

    :param rows: At most 10,000.
    :returns: A result for each row, in their order.
    :raises TypeError: A value is of a type that can't be meant, such as a quantity in floats.
    :raises ValueError: A moment has no zone, or there are too many rows.
    :raises RuntimeError: The connection commits each statement.
    """
    state = current()
    all_told = read(rows, state.db.session)
    if not state.settings.enabled:
        return [UsageResult(told.event_id, "refused", "off") for told in all_told]
    return _record(projects.connection(state.db.session), all_told) if all_told else []


def _record(connection: Connection, all_told: list[Told]) -> list[UsageResult]:
    settings, now = current().settings, clock.now()
    keys = {told.project_key for told in all_told if told.project_key is not None}
    known = standings(connection, keys)
    judged = [_judge(told, known.get(told.project_key or ""), settings, now) for told in all_told]
    landed = _land(connection, judged)
    # What was told before is a duplicate, whatever would be said of it now.
    others = {
        told.identity
        for told, entry in zip(all_told, judged, strict=True)
        if told.identity and told.project_key in known and not _is_in(landed, entry)
    }
    before = landing.stored(connection, others)
    return [
        _result(told, entry, before.get(told.identity) if told.identity else None, landed)
        for told, entry in zip(all_told, judged, strict=True)
    ]


def _judge(told: Told, standing: Standing | None, settings: Settings, now: datetime) -> Entry | str:
    """Return what is to be written for a row, or why nothing is."""
    fault = told.fault or _fault_of_project(told, standing, now)
    if fault or standing is None:
        return fault or "unknown_project"
    book = settings.rates
    unit = book.unit_of(told.rate_name)
    if unit != "count":
        return "unknown_rate" if unit is None else "wrong_unit"
    currency = standing.currency or settings.currency
    rate = book.at(told.rate_name, currency, told.used_at)
    if rate is None:
        return "rate_not_active" if currency in book.currencies(told.rate_name) else "currency"
    return Entry(
        uuid7(),
        standing.project_key,
        told.event_id,
        rate.id,
        told.quantity,
        told.used_at,
        told.resource_type,
        told.resource_id,
        _month(min(told.used_at, now), standing.closed_until),
        now,
    )


def _fault_of_project(told: Told, standing: Standing | None, now: datetime) -> str | None:
    if standing is None:
        return "unknown_project"
    if not standing.billable:
        return "not_billable"
    if told.used_at > now + _AHEAD:
        return "in_future"
    if standing.usage_from is not None and told.used_at < standing.usage_from:
        return "before_project"
    return "project_ended" if standing.has_ended_by(told.used_at) else None


def _month(used_at: datetime, closed_until: datetime | None) -> date:
    """Return the first day of the month of use, or of the first open one where that is closed.

    :param used_at: Not in the future: a project that is deleted has no month any more then.
    """
    counted_at = used_at if closed_until is None else max(used_at, closed_until)
    return counted_at.date().replace(day=1)


def _land(connection: Connection, judged: Iterable[Entry | str]) -> set[UUID]:
    """Write each identity once, and return the ids of what is new."""
    first: dict[tuple[str, str], Entry] = {}
    for entry in judged:
        if isinstance(entry, Entry):
            first.setdefault((entry.project_key, entry.event_id), entry)
    if not first:
        return set()
    used = {entry.rate_id for entry in first.values()}
    registry.ensure(connection, [rate for rate in current().settings.rates if rate.id in used])
    return landing.land(connection, [first[identity] for identity in sorted(first)])


def _is_in(landed: set[UUID], entry: Entry | str) -> bool:
    return isinstance(entry, Entry) and entry.id in landed


def _result(
    told: Told, entry: Entry | str, before: Stored | None, landed: set[UUID]
) -> UsageResult:
    if _is_in(landed, entry):
        return UsageResult(told.event_id, "recorded")
    if before is not None:
        return UsageResult(told.event_id, "duplicate" if _is_same(told, before) else "conflict")
    return UsageResult(told.event_id, "refused", str(entry))


def _is_same(told: Told, before: Stored) -> bool:
    rate = current().settings.rates.by_id(before.rate_id)
    return (
        (rate is None or rate.name == told.rate_name)
        and before.quantity == told.quantity
        and (not told.at_given or before.used_at == told.used_at)
        and (before.resource_type, before.resource_id) == (told.resource_type, told.resource_id)
    )
