"""The parts of the work of `flask billing run`, and the words for what they did."""

from __future__ import annotations

from dataclasses import asdict

from flask_billing import (
    alerts,
    collecting,
    events,
    heartbeats,
    invoicing,
    notifying,
    payment_methods,
    refunding,
)
from flask_billing.cli.turns import Part, Stop
from flask_billing.collecting import CollectReport

__all__ = ["ALL", "PRUNE", "URGENT", "of_collecting"]


def _process(stop: Stop) -> dict[str, int]:
    report = events.process(stop=stop)
    return {f"events {name}": count for name, count in asdict(report).items()}


def _close(stop: Stop) -> dict[str, int]:
    report = invoicing.close(stop=stop)
    return {
        "periods closed": report.closed,
        "projects parked": report.parked,
        "projects locked for long": report.busy,
    }


def _collect(stop: Stop) -> dict[str, int]:
    return of_collecting(collecting.collect(stop=stop))


def _collect_soon(stop: Stop) -> dict[str, int]:
    """Collect where something is due, which is quickly known."""
    return _collect(stop) if collecting.due_count() else {}


def of_collecting(report: CollectReport) -> dict[str, int]:
    """Return what became of invoices, in words that tell them from what else is counted."""
    return {
        "invoices issued": report.issued,
        "invoices paid": report.paid,
        "invoices not paid": report.failed,
        "invoices waiting": report.waiting,
        "invoices waiting for their owner": report.needs_owner,
        "invoices parked": report.parked,
        "invoices put off": report.errors,
    }


def _refund(stop: Stop) -> dict[str, int]:
    report = refunding.sweep(stop)
    return {
        "refunds settled": report.settled,
        "refunds waiting": report.waiting,
        "overpayments given back": report.given_back,
        "refunds put off": report.errors,
    }


def _raise(stop: Stop) -> dict[str, int]:
    report = alerts.raise_due(stop=stop)
    return {f"alerts {name}": count for name, count in asdict(report).items()}


def _look(stop: Stop) -> dict[str, int]:
    report = payment_methods.look_again(stop=stop)
    return {
        "methods read again": report.looked,
        "methods expiring": report.expiring,
        "methods not read": report.failed,
    }


def _sweep(_stop: Stop) -> dict[str, int]:
    return asdict(payment_methods.sweep())


def _notify(stop: Stop) -> dict[str, int]:
    report = notifying.deliver(stop=stop)
    return {f"notifications {name}": count for name, count in asdict(report).items()}


def _prune(_stop: Stop) -> dict[str, int]:
    heartbeats.prune()
    return {"old events forgotten": events.prune()}


EVENTS = Part("events", _process, frozenset({"events failed", "events retried"}))
CLOSE = Part("closing", _close, frozenset({"projects parked"}))
COLLECT = Part("collecting", _collect, frozenset({"invoices parked", "invoices put off"}))
REFUNDS = Part("refunds", _refund, frozenset({"refunds put off"}))
ALERTS = Part("alerts", _raise, frozenset({"alerts failed"}))
LOOK = Part("payment methods", _look, frozenset({"methods not read"}))
SWEEP = Part("sweeping", _sweep, frozenset({"failed"}))
NOTIFY = Part(
    "notifications",
    _notify,
    frozenset({"notifications retried", "notifications failed", "notifications unknown"}),
)
PRUNE = Part("pruning", _prune)

#: In an order in which each gets to what those before it gave rise to.
ALL = (EVENTS, CLOSE, COLLECT, REFUNDS, ALERTS, SWEEP, LOOK, NOTIFY)
#: What somebody waits for.
URGENT = (EVENTS, COLLECT._replace(work=_collect_soon), NOTIFY)
