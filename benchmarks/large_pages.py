"""How a page of much usage compares with a page of little."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from flask.testing import FlaskClient
from sqlalchemy import func, select

from benchmarks import months
from benchmarks.harness import Topic, interleaved, timed
from benchmarks.host import Project, billing, db, on_postgresql
from flask_billing import Invoice, InvoiceLine, UsageRow, clock, invoicing

__all__ = ["topic"]

INVOICE = "page of an invoice of 60,000 lines / of 60"
USAGE = "usage page of a project with 60,000 uses / with 60"
RUNNING = "the running month of a project with 60,000 uses / with 60"

LITTLE, MUCH = 60, 60_000
_BATCH = 5_000


def _measure() -> dict[str, float]:
    with months.rates_file() as path, on_postgresql(BILLING_RATES=path) as app:
        client = app.test_client()
        invoice = _invoice_pages(client)
        with clock.moved(lambda: months.END + timedelta(days=27)):
            usage = _usage_pages(client)
    return {
        INVOICE: invoice["much"] / invoice["little"],
        USAGE: usage["much"] / usage["little"],
        RUNNING: usage["running, much"] / usage["running, little"],
    }


def _invoice_pages(client: FlaskClient) -> dict[str, float]:
    pages = {}
    for name, count in (("little", LITTLE), ("much", MUCH)):
        key = _project(name)
        months.write_records(key, count)
        with months.at_the_end():
            invoicing.close(project_key=key)
        invoice = db.session.scalars(select(Invoice).where(Invoice.project_key == key)).one()
        lines = select(func.count()).where(InvoiceLine.invoice_id == invoice.id)
        assert db.session.scalar(lines) == count
        pages[name] = f"/projects/{key}/billing/invoices/{invoice.id}"
    db.session.remove()
    return interleaved(
        {name: _load(client, page) for name, page in pages.items()}, rounds=30, warm_up=3
    )


def _usage_pages(client: FlaskClient) -> dict[str, float]:
    keys = {}
    for name, count in (("little", LITTLE), ("much", MUCH)):
        keys[name] = _project(f"of {name} usage")
        _use(keys[name], count)
    db.session.remove()
    pages = {name: _load(client, f"/projects/{key}/billing/usage") for name, key in keys.items()}
    runs = {f"running, {name}": _run(key) for name, key in keys.items()}
    return interleaved(pages | runs, rounds=30, warm_up=3)


def _project(name: str) -> str:
    with clock.moved(lambda: months.START):
        project = Project(name=name)
        db.session.add(project)
        db.session.commit()
        return str(project.id)


def _use(key: str, count: int) -> None:
    """Tell of usage events over the days of the running month, each of them by itself."""
    for first in range(0, count, _BATCH):
        rows = [
            UsageRow(
                key,
                months.CALLS[number % len(months.CALLS)],
                1 + number % 7,
                f"{number}",
                months.END + timedelta(minutes=number % 38_000),
            )
            for number in range(first, min(first + _BATCH, count))
        ]
        assert {result.state for result in billing.record_usage_batch(rows)} == {"recorded"}
        db.session.commit()


def _load(client: FlaskClient, page: str) -> Callable[[], float]:
    def load() -> None:
        answer = client.get(page)
        assert answer.status_code == 200, answer.status

    return lambda: timed(load)


def _run(key: str) -> Callable[[], float]:
    def run() -> None:
        assert invoicing.running(key).priced.subtotal
        db.session.remove()

    return lambda: timed(run)


topic = Topic("large-pages", {INVOICE: 3, USAGE: 3, RUNNING: 3}, _measure)
