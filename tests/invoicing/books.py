"""Writes down what projects used, as metering would, and reads what they owe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import insert, select, update

from flask_billing import (
    BilledProjectRow,
    BillingRecord,
    Credit,
    CreditEntry,
    Discount,
    Invoice,
    InvoiceCollection,
    InvoiceGroup,
    InvoiceLine,
    UsageTotal,
    clock,
)
from flask_billing.metering import registry
from flask_billing.models import table_of
from flask_billing.periods import Span, month_of
from flask_billing.state import current
from tests.host import Project, db

RATES = str(Path(__file__).resolve().parent.parent / "rates.toml")
SETTINGS = {"STRIPE_SECRET_KEY": "sk_test_1", "BILLING_RATES": RATES}


def at(month: int, day: int = 1, hour: int = 0, minute: int = 0) -> datetime:
    """A moment of 2026."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


def month(number: int) -> Span:
    """A month of 2026."""
    return month_of(at(number))


@contextmanager
def now(moment: datetime) -> Iterator[None]:
    """Have it be this moment."""
    with clock.moved(lambda: moment):
        yield


def new_project(since: datetime | None = None) -> str:
    """A project that was made then, by default with the beginning of June; its key."""
    with now(since or at(6)):
        project = Project(name="one")
        db.session.add(project)
        db.session.commit()
        return str(project.id)


def record(
    key: str,
    started: datetime,
    ended: datetime | None = None,
    *,
    rate: str = "machine.small",
    quantity: Decimal | int = 1,
    resource: str | None = None,
    slot: str = "compute",
    currency: str = "usd",
) -> None:
    """A span of use, at the rate that held at its beginning."""
    db.session.execute(
        insert(table_of(BillingRecord)).values(
            project_key=key,
            resource_type="machine",
            resource_id=resource or f"of-{key}",
            slot=slot,
            rate_id=_rate(rate, started, currency),
            quantity=quantity,
            started_at=started,
            ended_at=ended,
            open_marker=1 if ended is None else None,
        )
    )
    db.session.commit()


def usage(
    key: str,
    day: datetime,
    quantity: Decimal | int,
    *,
    rate: str = "api.call",
    counted_in: datetime | None = None,
    commit: bool = True,
) -> None:
    """A day's usage events, in the month whose invoice has them."""
    db.session.execute(
        insert(table_of(UsageTotal)).values(
            project_key=key,
            counted_in=(month_of(day).start if counted_in is None else counted_in).date(),
            day=day.date(),
            rate_id=_rate(rate, day),
            resource_type="",
            resource_id="",
            quantity=quantity,
            event_count=1,
        )
    )
    if commit:
        db.session.commit()


def credit(key: str, amount: int, granted: datetime, expires: datetime | None = None) -> None:
    """Credit, with the entry that grants it."""
    row = Credit(
        project_key=key,
        amount=amount,
        remaining=amount,
        currency="usd",
        granted_at=granted,
        expires_at=expires,
        reason="goodwill",
    )
    db.session.add(row)
    db.session.flush()
    db.session.add(CreditEntry(credit_id=row.id, kind="granted", amount=amount, created_at=granted))
    db.session.commit()


def discount(key: str, percent: int, made: datetime, **values: Any) -> None:
    """A discount that was made then; by default off the whole project."""
    given = {"scope": "project", "valid_from": made, "reason": "partner"} | values
    db.session.add(Discount(project_key=key, percent=Decimal(percent), created_at=made, **given))
    db.session.commit()


def set_row(key: str, **values: Any) -> None:
    """Change our row for a project."""
    row = table_of(BilledProjectRow)
    db.session.execute(update(row).where(row.c.project_key == key).values(values))
    db.session.commit()


def row_of(key: str) -> BilledProjectRow:
    """Our row for a project, as it is now."""
    db.session.expire_all()
    return db.session.get_one(BilledProjectRow, key)


def invoices(key: str) -> list[Invoice]:
    """The invoices of a project, in the order of their periods."""
    db.session.expire_all()
    query = select(Invoice).where(Invoice.project_key == key).order_by(Invoice.period_start)
    return list(db.session.scalars(query))


def lines(invoice: Invoice) -> list[InvoiceLine]:
    query = select(InvoiceLine).where(InvoiceLine.invoice_id == invoice.id)
    return list(db.session.scalars(query.order_by(InvoiceLine.position)))


def remaining(key: str) -> list[int]:
    """What is left of each credit, the oldest first."""
    query = select(Credit.remaining).where(Credit.project_key == key)
    return list(db.session.scalars(query.order_by(Credit.granted_at, Credit.amount)))


def everything() -> dict[str, list[tuple[Any, ...]]]:
    """All that closing writes, of all projects, but for made-up ids and the hour of writing."""
    db.session.expire_all()
    invoice, line, group = table_of(Invoice), table_of(InvoiceLine), table_of(InvoiceGroup)
    left_out = {"id", "invoice_id", "closed_at", "discount_id", "adjustment_id"}
    who = (invoice.c.project_key, invoice.c.period_start)

    def rows(table: Any) -> list[tuple[Any, ...]]:
        columns = [column for column in table.c if column.name not in left_out]
        query = select(*who, *columns)
        if table is not invoice:
            query = query.join(invoice, invoice.c.id == table.c.invoice_id)
            query = query.order_by(*who, table.c.position)
        else:
            query = query.order_by(*who)
        return [tuple(row) for row in db.session.execute(query)]

    ours, credit, entry = table_of(BilledProjectRow), table_of(Credit), table_of(CreditEntry)
    projects = select(
        ours.c.project_key,
        ours.c.closed_until,
        ours.c.carried,
        ours.c.currency,
        ours.c.parked_reason,
    ).order_by(ours.c.project_key)
    left = select(
        credit.c.project_key, credit.c.amount, credit.c.remaining, credit.c.granted_at
    ).order_by(credit.c.project_key, credit.c.granted_at, credit.c.amount)
    entries = (
        select(credit.c.project_key, entry.c.kind, entry.c.amount, invoice.c.period_start)
        .join(credit, credit.c.id == entry.c.credit_id)
        .outerjoin(invoice, invoice.c.id == entry.c.invoice_id)
    )
    collection = table_of(InvoiceCollection)
    collected = (
        select(*who, invoice.c.state, collection.c.state, collection.c.livemode)
        .join(invoice, invoice.c.id == collection.c.invoice_id)
        .order_by(*who, invoice.c.state)
    )
    return {
        "invoices": rows(invoice),
        "lines": rows(line),
        "groups": rows(group),
        "collections": [tuple(row) for row in db.session.execute(collected)],
        "projects": [tuple(row) for row in db.session.execute(projects)],
        "credits": [tuple(row) for row in db.session.execute(left)],
        "entries": sorted(map(str, map(tuple, db.session.execute(entries)))),
    }


def _rate(name: str, moment: datetime, currency: str = "usd") -> Any:
    rate = current().settings.rates.at(name, currency, moment)
    assert rate is not None
    registry.ensure(db.session.connection(), [rate])
    return rate.id
