"""What collecting invoices costs, against the bare calls to Stripe that it takes.

Every call is answered after 20 ms, and both sides have four threads. A tenth of a second for each
invoice goes by at Stripe, so what is compared is what comes on top.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from multiprocessing.synchronize import Barrier
from typing import Any

from flask import Flask
from sqlalchemy import func, insert, select

from benchmarks.harness import AtLeast, Topic, interleaved, timed
from benchmarks.host import Project, db, on_postgresql
from benchmarks.slow_stripe import AMOUNTS, calls, client_of, pay_one, served
from benchmarks.statements import heard
from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceLine,
    PaymentMethod,
    collecting,
)
from flask_billing.ids import uuid7
from flask_billing.models import table_of

__all__ = ["topic"]

SPEED = "invoices collected a second / bare calls, 4 threads, 20 ms a call"
OURS = "invoices collected a second by one process"
CALLS = "Stripe calls for a paid invoice, of which one for its lines"
STATEMENTS = "statements for a paid invoice"
TWO = "collecting: speed of 2 processes / of 1"
FOUR = "collecting: speed of 4 processes / of 1"

THREADS = 4
INVOICES = 160
ROUNDS = 5

_months = count()


def _measure() -> dict[str, float]:
    with (
        served() as url,
        on_postgresql(
            STRIPE_API_BASE=url, BILLING_COLLECT_THREADS=THREADS, BILLING_STRIPE_RATE=100_000
        ) as app,
    ):
        _make_owners(INVOICES * 2)
        counted = _counts(url)
        ways = {"ours": _ours, "bare": lambda: _bare(url)}
        seconds = interleaved(ways, rounds=ROUNDS, warm_up=1)
        shared = {processes: _in_processes(app, processes) for processes in (1, 2, 4)}
    return counted | {
        SPEED: seconds["bare"] / seconds["ours"],
        OURS: INVOICES / seconds["ours"],
        TWO: shared[1] / shared[2],
        FOUR: shared[1] / shared[4],
    }


def _counts(url: str) -> dict[str, float]:
    """Return what an invoice costs more: looking for those that are due costs once for all."""
    costs = []
    for invoices in (10, 20):
        _close(invoices)
        before = calls(url)
        with heard(db.engine) as sent:
            _collect(invoices)
        costs.append((len(sent), calls(url) - before))
    few, many = costs
    return {STATEMENTS: (many[0] - few[0]) / 10, CALLS: (many[1] - few[1]) / 10}


def _ours() -> float:
    _close(INVOICES)
    return timed(lambda: _collect(INVOICES))


def _collect(invoices: int) -> None:
    report = collecting.collect()
    assert report == collecting.CollectReport(issued=invoices, paid=invoices), report


def _bare(url: str) -> float:
    client, month = client_of(url), next(_months)

    def pay(number: int) -> None:
        for _ in pay_one(client, f"{month}-{number}", f"cus_{number}", f"pm_{number}", "2026"):
            pass

    def pay_all() -> None:
        with ThreadPoolExecutor(THREADS) as threads:
            list(threads.map(pay, range(INVOICES)))

    return timed(pay_all)


def _in_processes(app: Flask, processes: int) -> float:
    """Return the seconds in which so many processes collect the same invoices together."""
    invoices = INVOICES * 2
    _close(invoices)
    db.session.remove()
    db.engine.dispose()
    fork = multiprocessing.get_context("fork")
    ready = fork.Barrier(processes + 1)
    workers = [fork.Process(target=_worker, args=(app, ready)) for _ in range(processes)]
    for worker in workers:
        worker.start()
    ready.wait(60)

    def all_done() -> None:
        for worker in workers:
            worker.join()

    seconds = timed(all_done)
    assert not any(worker.exitcode for worker in workers)
    unpaid = select(func.count()).select_from(Invoice).where(Invoice.state != "paid")
    assert db.session.scalar(unpaid) == 0
    db.session.rollback()
    return seconds


def _worker(app: Flask, ready: Barrier) -> None:
    with app.app_context():
        # What is made once in a process is made before.
        db.session.connection()
        db.session.rollback()
        ready.wait(60)
        collecting.collect()


def _make_owners(number: int) -> None:
    for each in range(number):
        info = BillingInfo(stripe_id=f"cus_{each}")
        method = PaymentMethod(stripe_id=f"pm_{each}", billing_info=info, position=0)
        db.session.add_all([info, method, Project(name=str(each), billing_info=info)])
    db.session.commit()


def _close(invoices: int) -> None:
    """Close an invoice of another month for each of so many projects."""
    month = next(_months)
    start = datetime(2000 + month // 11, month % 11 + 1, 1, tzinfo=UTC)
    keys = db.session.scalars(
        select(BilledProjectRow.project_key)
        .where(BilledProjectRow.billing_info_id.is_not(None))
        .limit(invoices)
    ).all()
    assert len(keys) == invoices
    rows = [_invoice(key, start) for key in keys]
    db.session.execute(insert(table_of(Invoice)), rows)
    db.session.execute(insert(table_of(InvoiceLine)), list(_lines(rows)))
    db.session.commit()
    collecting.mend()


def _invoice(key: str, start: datetime) -> dict[str, Any]:
    total = sum(AMOUNTS)
    nothing = ("carried_in", "adjusted", "credit_used", "credit_granted", "carried_out", "waived")
    return dict.fromkeys(nothing, 0) | {
        "id": uuid7(),
        "project_key": key,
        "period_start": start,
        "period_end": start.replace(month=start.month + 1),
        "live_marker": 1,
        "state": "closed",
        "currency": "usd",
        "gross": Decimal(total),
        "subtotal": total,
        "due": total,
        "line_count": len(AMOUNTS),
        "closed_at": start.replace(month=start.month + 1),
    }


def _lines(invoices: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for invoice in invoices:
        for position, amount in enumerate(AMOUNTS, 1):
            yield {
                "id": uuid7(),
                "invoice_id": invoice["id"],
                "position": position,
                "kind": "usage",
                "resource_type": "server",
                "resource_id": str(position),
                "slot": "compute",
                "gross": Decimal(amount),
                "net": Decimal(amount),
                "amount": amount,
            }


topic = Topic(
    "collecting",
    {SPEED: AtLeast(0.8), OURS: None, CALLS: 5, STATEMENTS: 15, TWO: None, FOUR: None},
    _measure,
)
