"""Tells Prometheus how billing stands: what waits, how payments went, what is owed.

All of it is read from the database when it is asked for, so that every process of every host gives
the same answer, and none has to count.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import ColumnElement, Connection, case, func, select
from sqlalchemy.exc import SQLAlchemyError

from flask_billing import clock, heartbeats, projects
from flask_billing.models import (
    BillingEvent,
    Invoice,
    InvoiceCollection,
    InvoiceRefund,
    Notification,
    PaymentAttempt,
    table_of,
)
from flask_billing.state import current

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["BillingCollector"]

_ACTIVE = ("waiting", "processing", "transfer", "past_due")
#: The states that there are; whatever else the tables hold counts as `other`.
_COLLECTION = (*_ACTIVE, "parked", "done")
_INVOICE = ("closed", "open", "paid", "uncollectible", "void")
_ATTEMPT = ("sending", "succeeded", "declined", "needs_action", "processing", "not_executed")
_EVENT = ("pending", "failed")
_NOTIFICATION = ("pending", "sending", "sent", "failed", "unknown", "skipped")
_REFUND = ("sending", "pending", "succeeded", "failed", "canceled", "refused", "not_executed")
_WORKER = ("run", "once", "celery")
_OTHER = "other"


class _Family(NamedTuple):
    name: str
    text: str
    labels: tuple[str, ...] = ()


_UP = _Family("up", "Whether the database answered; where it did not, nothing else is told.")
_DUE = _Family("due", "What somebody has to work on now.", ("work",))
_OLDEST = _Family("due_oldest_seconds", "For how long the oldest of it has been due.", ("work",))
_INVOICES = _Family("invoices", "Invoices by how their money comes in.", ("state",))
_INVOICED = _Family(
    "invoiced_minor_units",
    "What invoices come to, with tax where that is known, in minor units.",
    ("state", "currency"),
)
_OPEN = _Family(
    "open_minor_units",
    "What is still to be paid, by how it comes in, in minor units.",
    ("state", "currency"),
)
_ATTEMPTS = _Family("payment_attempts", "Tries to charge an invoice.", ("outcome",))
_EVENTS = _Family("events", "Events that wait, and events that failed for good.", ("state",))
_NOTES = _Family("notifications", "Messages to people.", ("state",))
_REFUNDS = _Family("refunds", "Money that goes back, or is not asked for any more.", ("state",))
_REFUNDED = _Family(
    "refunded_minor_units", "What that comes to, in minor units.", ("state", "currency")
)
_WORKERS = _Family("workers", "Processes at work.", ("kind",))
_SEEN = _Family("worker_seen_seconds", "How long ago a process last said that it was at work.")
_FAMILIES = (
    *(_UP, _DUE, _OLDEST, _INVOICES, _INVOICED, _OPEN, _ATTEMPTS, _EVENTS, _NOTES),
    *(_REFUNDS, _REFUNDED, _WORKERS, _SEEN),
)


class BillingCollector(Collector):
    """Reads how billing stands, for a Prometheus registry.

    Labels are states and currencies alone, so there are few series however many projects there are.

    :param app: The app that billing is set up for.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app

    def describe(self) -> Iterable[Metric]:
        """Return what there is, without asking the database."""
        return [_metric(family) for family in _FAMILIES]

    def collect(self) -> Iterable[Metric]:
        """Return how billing stands now."""
        metrics = {family.name: _metric(family) for family in _FAMILIES}
        with self._app.app_context():
            try:
                samples = list(_samples()) if current().settings.enabled else []
            except SQLAlchemyError as error:
                # Its text may hold what no log should.
                self._app.logger.warning("Metrics could not be read: %s.", type(error).__name__)
                samples = [_Sample(_UP, 0)]
        for sample in samples:
            metrics[sample.family.name].add_metric(sample.labels, sample.value)
        return metrics.values()


class _Sample(NamedTuple):
    family: _Family
    value: float
    labels: tuple[str, ...] = ()


def _metric(family: _Family) -> GaugeMetricFamily:
    name = f"flask_billing_{family.name}"
    return GaugeMetricFamily(name, family.text, labels=family.labels)


def _samples() -> Iterator[_Sample]:
    connection = projects.connection()
    yield _Sample(_UP, 1)
    for read in (_invoices, _attempts, _events, _notifications, _refunds):
        yield from read(connection)
    yield from _workers()
    current().db.session.rollback()


def _invoices(connection: Connection) -> Iterator[_Sample]:
    row, invoice = table_of(InvoiceCollection).c, table_of(Invoice).c
    query = (
        select(
            row.state,
            invoice.state.label("invoice_state"),
            invoice.currency,
            func.sum(func.coalesce(row.total, invoice.due)).label("invoiced"),
            func.sum(func.coalesce(row.remaining, invoice.due)).label("remaining"),
            *_sums(row.state.in_(_ACTIVE), row.next_try_at),
        )
        .join(invoice.id.table, invoice.id == row.invoice_id)
        .where(row.livemode == current().settings.livemode)
        .group_by(row.state, invoice.state, invoice.currency)
    )
    found = connection.execute(query).all()
    yield from _queue("invoices", found)
    yield from _by_state(_INVOICES, _COLLECTION, ((each.state, each.number) for each in found))
    yield from _money(
        _INVOICED, _INVOICE, ((r.invoice_state, r.currency, r.invoiced) for r in found)
    )
    is_open = [each for each in found if each.state != "done"]
    yield from _money(_OPEN, _COLLECTION, ((r.state, r.currency, r.remaining) for r in is_open))


def _attempts(connection: Connection) -> Iterator[_Sample]:
    attempt, row = table_of(PaymentAttempt).c, table_of(InvoiceCollection).c
    query = (
        select(attempt.state, func.count().label("number"))
        .join(row.state.table, row.invoice_id == attempt.invoice_id)
        .where(row.livemode == current().settings.livemode)
        .group_by(attempt.state)
    )
    yield from _by_state(_ATTEMPTS, _ATTEMPT, map(tuple, connection.execute(query)))


def _events(connection: Connection) -> Iterator[_Sample]:
    event = table_of(BillingEvent).c
    query = (
        select(event.state, *_sums(event.state == "pending", event.next_try_at))
        .where(event.livemode == current().settings.livemode, event.state.in_(_EVENT))
        .group_by(event.state)
    )
    found = connection.execute(query).all()
    yield from _queue("events", found)
    yield from _by_state(_EVENTS, _EVENT, ((each.state, each.number) for each in found))


def _notifications(connection: Connection) -> Iterator[_Sample]:
    note = table_of(Notification).c
    query = (
        select(note.state, *_sums(note.state == "pending", note.next_try_at))
        .where(note.livemode == current().settings.livemode)
        .group_by(note.state)
    )
    found = connection.execute(query).all()
    yield from _queue("notifications", found)
    yield from _by_state(_NOTES, _NOTIFICATION, ((each.state, each.number) for each in found))


def _refunds(connection: Connection) -> Iterator[_Sample]:
    refund, row = table_of(InvoiceRefund).c, table_of(InvoiceCollection).c
    is_open = refund.state.in_(("sending", "pending"))
    amount = func.sum(refund.amount).label("amount")
    query = (
        select(refund.state, refund.currency, amount, *_sums(is_open, refund.next_try_at))
        .join(row.state.table, row.invoice_id == refund.invoice_id)
        .where(row.livemode == current().settings.livemode)
        .group_by(refund.state, refund.currency)
    )
    found = connection.execute(query).all()
    yield from _queue("refunds", found)
    yield from _by_state(_REFUNDS, _REFUND, ((each.state, each.number) for each in found))
    yield from _money(_REFUNDED, _REFUND, ((r.state, r.currency, r.amount) for r in found))


def _workers() -> Iterator[_Sample]:
    yield from _by_state(_WORKERS, _WORKER, ((each.kind, 1) for each in heartbeats.at_work()))
    last = heartbeats.last_seen()
    if last is not None:
        yield _Sample(_SEEN, _age(last.seen_at))


def _sums(
    is_open: ColumnElement[bool], due_at: ColumnElement[datetime | None]
) -> tuple[ColumnElement[Any], ...]:
    """Return how many rows there are, how many of them are due, and since when."""
    is_due = is_open & (due_at <= clock.now())
    return (
        func.count().label("number"),
        func.count(case((is_due, 1))).label("due"),
        func.min(case((is_due, due_at))).label("due_since"),
    )


def _queue(work: str, rows: Sequence[Any]) -> Iterator[_Sample]:
    yield _Sample(_DUE, sum(row.due for row in rows), (work,))
    since = min((row.due_since for row in rows if row.due_since is not None), default=None)
    yield _Sample(_OLDEST, 0 if since is None else _age(since), (work,))


def _by_state(
    family: _Family, known: Sequence[str], counts: Iterable[tuple[str, int]]
) -> Iterator[_Sample]:
    """Yield a count for each state there is, 0 among them: a series must not come and go."""
    sums = dict.fromkeys(known, 0)
    for state, count in counts:
        name = state if state in known else _OTHER
        sums[name] = sums.get(name, 0) + count
    for state, count in sums.items():
        yield _Sample(family, count, (state,))


def _money(
    family: _Family, known: Sequence[str], amounts: Iterable[tuple[str, str, Any]]
) -> Iterator[_Sample]:
    sums: dict[tuple[str, str], int] = {}
    for state, currency, amount in amounts:
        labels = (state if state in known else _OTHER, currency)
        # A sum of integers is a Decimal on some databases.
        sums[labels] = sums.get(labels, 0) + int(amount or 0)
    for labels, amount in sorted(sums.items()):
        yield _Sample(family, amount, labels)


def _age(since: datetime) -> float:
    return max(0.0, (clock.now() - since).total_seconds())
