"""Projects with a month of records to be closed, and two ways to close it without any rule."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, text, update

from benchmarks.host import db
from flask_billing import (
    BilledProjectRow,
    BillingRecord,
    Invoice,
    InvoiceGroup,
    InvoiceLine,
    clock,
)
from flask_billing.ids import uuid7
from flask_billing.metering import registry
from flask_billing.models import table_of
from flask_billing.state import current

__all__ = [
    "CALLS",
    "END",
    "LATE",
    "RECORDS_OF_EACH",
    "START",
    "at_the_end",
    "by_one_statement",
    "by_plain_loop",
    "make_projects",
    "rates_file",
    "start_again",
    "write_records",
]

START = datetime(2026, 6, 1, tzinfo=UTC)
END = datetime(2026, 7, 1, tzinfo=UTC)
LATE = datetime(2026, 7, 2, tzinfo=UTC)
RECORDS_OF_EACH = 10
_PROJECTS = 200
_NAMES = ("small", "large")
CALLS = ("api.calls", "mails", "tokens")
_RATES = "\n".join(
    f'[[rate]]\nname = "{name}"\nunit = "minute"\nunit_price = "{price}"\ncurrency = "usd"\n'
    "active_from = 2026-01-01"
    for name, price in zip(_NAMES, ("0.0003843751", "0.0015375004"), strict=True)
)
_CALLS = "\n".join(
    f'[[rate]]\nname = "{name}"\nunit = "count"\nunit_price = "0.01"\ncurrency = "usd"\n'
    "active_from = 2026-01-01"
    for name in CALLS
)
_NOTHING = Decimal(0)
_PRICE = Decimal("15.498004032")


@contextmanager
def rates_file() -> Iterator[str]:
    """Give the path of a file of rates."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "rates.toml"
        path.write_text(f"{_RATES}\n{_CALLS}")
        yield str(path)


def at_the_end() -> Any:
    """Have it be some time after the month."""
    return clock.moved(lambda: LATE)


def make_projects(count: int, *, first: int = 0) -> None:
    """Write projects with ten records each: eight slots, one of which changed its rate twice."""
    small, large = _rates()
    for begin in range(first, first + count, 1000):
        keys = [f"p{number}" for number in range(begin, min(begin + 1000, first + count))]
        rows = [
            {
                "project_key": key,
                "billable": True,
                "revision": 0,
                "created_at": START,
                "closed_until": START,
                "carried": 0,
                "currency": "usd",
            }
            for key in keys
        ]
        db.session.execute(insert(table_of(BilledProjectRow)), rows)
        records = [record for key in keys for record in _records(key, small, large)]
        db.session.execute(insert(table_of(BillingRecord)), records)
        db.session.commit()


def write_records(key: str, count: int) -> None:
    """Write so many records of a project, each of a resource of its own."""
    small, _ = _rates()
    rows = [_record(key, number, small, START, None) for number in range(count)]
    db.session.execute(insert(table_of(BillingRecord)), rows)
    db.session.commit()


def _rates() -> tuple[UUID, UUID]:
    book = current().settings.rates
    rates = [book.at(name, "usd", START) for name in _NAMES]
    small, large = [rate for rate in rates if rate is not None]
    registry.ensure(db.session.connection(), [small, large])
    db.session.commit()
    return small.id, large.id


def _records(key: str, small: UUID, large: UUID) -> Iterator[dict[str, Any]]:
    noon = START + timedelta(days=12, hours=12, seconds=7)
    late = noon + timedelta(days=5)
    for number in range(7):
        yield _record(key, number, small, START - timedelta(days=9), None)
    yield _record(key, 7, small, START + timedelta(hours=5), noon)
    yield _record(key, 7, large, noon, late)
    yield _record(key, 7, large, late, None, quantity=2)


def _record(
    key: str,
    number: int,
    rate_id: UUID,
    started_at: datetime,
    ended_at: datetime | None,
    *,
    quantity: int = 1,
) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "project_key": key,
        "resource_type": "server",
        "resource_id": f"{key}-{number}",
        "slot": "compute",
        "rate_id": rate_id,
        "quantity": quantity,
        "started_at": started_at,
        "ended_at": ended_at,
        "open_marker": 1 if ended_at is None else None,
    }


def start_again() -> None:
    """Undo what was closed, and leave the tables as if it had never been."""
    if db.engine.dialect.name == "postgresql":
        names = "billing_invoice_line, billing_invoice_group, billing_invoice"
        db.session.execute(text(f"TRUNCATE {names} CASCADE"))
    else:
        for model in (InvoiceLine, InvoiceGroup, Invoice):
            db.session.execute(delete(table_of(model)))
    db.session.execute(update(table_of(BilledProjectRow)).values(closed_until=START))
    db.session.commit()
    if db.engine.dialect.name == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            # Not the emptied tables: it would be planned for them as if they stayed empty.
            connection.execute(text("VACUUM ANALYZE billed_project, billing_record"))


def by_plain_loop() -> None:
    """Read the spans and bulk-insert as many invoices and lines, without any rule."""
    row = table_of(BilledProjectRow)
    query = select(row.c.project_key).order_by(row.c.project_key)
    keys = list(db.session.scalars(query))
    for begin in range(0, len(keys), _PROJECTS):
        _loop_once(keys[begin : begin + _PROJECTS])
        db.session.commit()


def _loop_once(keys: list[str]) -> None:
    record, row = table_of(BillingRecord).c, table_of(BilledProjectRow)
    names = (
        "project_key", "resource_type", "resource_id", "slot", "rate_id", "quantity",
        "started_at", "ended_at",
    )  # fmt: skip
    connection = db.session.connection()
    spans = connection.execute(
        select(*(record[name] for name in names)).where(record.project_key.in_(keys))
    ).all()
    now = clock.now()
    ids = {key: uuid7() for key in keys}
    connection.execute(insert(table_of(Invoice)), [_invoice(key, ids[key], now) for key in keys])
    connection.execute(
        insert(table_of(InvoiceLine)),
        [_line(ids[span.project_key], place, span) for place, span in enumerate(spans)],
    )
    connection.execute(update(row).where(row.c.project_key.in_(keys)).values(closed_until=END))


def _invoice(key: str, invoice_id: UUID, now: datetime) -> dict[str, Any]:
    amounts = ("gross", "subtotal", "due")
    nothing = ("carried_in", "adjusted", "credit_used", "credit_granted", "carried_out", "waived")
    return {
        "id": invoice_id,
        "project_key": key,
        "period_start": START,
        "period_end": END,
        "live_marker": 1,
        "state": "closed",
        "currency": "usd",
        "line_count": RECORDS_OF_EACH,
        "closed_at": now,
        **dict.fromkeys(amounts, 4200),
        **dict.fromkeys(nothing, 0),
    }


def _line(invoice_id: UUID, position: int, span: Any) -> dict[str, Any]:
    return {
        "id": uuid7(),
        "invoice_id": invoice_id,
        "position": position,
        "kind": "usage",
        "resource_type": span.resource_type,
        "resource_id": span.resource_id,
        "slot": span.slot,
        "rate_id": span.rate_id,
        "quantity": span.quantity,
        "minutes": 40_320,
        "free_quantity": _NOTHING,
        "started_at": span.started_at,
        "ended_at": span.ended_at,
        "discount_percent": None,
        "discount_id": None,
        "adjustment_id": None,
        "gross": _PRICE,
        "net": _PRICE,
        "amount": 1550,
    }


def by_one_statement() -> None:
    """Have PostgreSQL sum up and insert everything by itself, without cap, discounts or credit."""
    db.session.execute(_ONE_STATEMENT, {"start": START, "end": END, "now": clock.now()})
    db.session.commit()


_ONE_STATEMENT = text(
    """
    WITH part AS (
        SELECT r.project_key, r.resource_type, r.resource_id, r.slot, r.rate_id, r.quantity,
               min(greatest(r.started_at, :start)) AS started_at,
               max(least(coalesce(r.ended_at, :end), :end)) AS ended_at,
               ceil(sum(extract(epoch FROM least(coalesce(r.ended_at, :end), :end)
                                - greatest(r.started_at, :start))) / 60) AS minutes
        FROM billing_record r
        WHERE r.started_at < :end AND (r.ended_at IS NULL OR r.ended_at > :start)
        GROUP BY r.project_key, r.resource_type, r.resource_id, r.slot, r.rate_id, r.quantity
    ), invoice AS (
        INSERT INTO billing_invoice
            (id, project_key, period_start, period_end, live_marker, state, currency, gross,
             subtotal, carried_in, adjusted, credit_used, credit_granted, due, carried_out, waived,
             line_count, closed_at)
        SELECT gen_random_uuid(), p.project_key, :start, :end, 1, 'closed', 'usd',
               sum(p.quantity * p.minutes * b.unit_price) * 100,
               sum(p.quantity * p.minutes * b.unit_price) * 100, 0, 0, 0, 0,
               sum(p.quantity * p.minutes * b.unit_price) * 100, 0, 0, count(*), :now
        FROM part p JOIN billing_rate b ON b.id = p.rate_id
        GROUP BY p.project_key
        RETURNING id, project_key
    ), moved AS (
        UPDATE billed_project SET closed_until = :end
    )
    INSERT INTO billing_invoice_line
        (id, invoice_id, position, kind, resource_type, resource_id, slot, rate_id, quantity,
         minutes, free_quantity, started_at, ended_at, gross, net, amount)
    SELECT gen_random_uuid(), i.id, row_number() OVER (PARTITION BY i.id), 'usage',
           p.resource_type, p.resource_id, p.slot, p.rate_id, p.quantity, p.minutes, 0,
           p.started_at, p.ended_at, p.quantity * p.minutes * b.unit_price,
           p.quantity * p.minutes * b.unit_price, round(p.quantity * p.minutes * b.unit_price * 100)
    FROM part p
    JOIN billing_rate b ON b.id = p.rate_id
    JOIN invoice i ON i.project_key = p.project_key
    """
)
