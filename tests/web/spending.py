"""What projects of the web tests have used: rows, as metering writes them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from flask import Flask
from sqlalchemy import event, insert, update

from flask_billing import BillingRecord, UsageTotal, projects
from flask_billing.metering import registry
from flask_billing.models import BilledProjectRow, table_of
from tests.host import db
from tests.web.conftest import OWN, Person

MAY = datetime(2026, 5, 1, tzinfo=UTC)


def at(month: int, day: int, hour: int = 0) -> datetime:
    """A moment of 2026 in UTC."""
    return datetime(2026, month, day, hour, tzinfo=UTC)


def begin(app: Flask, closed_until: datetime = MAY) -> None:
    """Have both projects begin at a moment, and the rates known."""
    with app.app_context():
        registry.ensure(projects.connection(), list(app.extensions["billing"].settings.rates))
        db.session.execute(
            update(BilledProjectRow).values(closed_until=closed_until, created_at=closed_until)
        )
        db.session.commit()


def add_record(
    app: Flask,
    resource_id: str,
    started_at: datetime,
    ended_at: datetime | None = None,
    *,
    rate: str = "machine.small",
    quantity: int = 1,
    **values: Any,
) -> None:
    """Have a project use something; by default a small machine of the first."""
    add_records(app, [(resource_id, started_at, ended_at)], rate=rate, quantity=quantity, **values)


def add_records(
    app: Flask,
    spans: list[tuple[str, datetime, datetime | None]],
    *,
    rate: str = "machine.small",
    quantity: int = 1,
    project_id: int = OWN,
    resource_type: str = "machine",
    slot: str = "compute",
    currency: str = "usd",
) -> None:
    """Have a project use many things at once."""
    rates = app.extensions["billing"].settings.rates
    rows = [
        {
            "project_key": str(project_id),
            "resource_type": resource_type,
            "resource_id": resource_id,
            "slot": slot,
            "rate_id": rates.at(rate, currency, started_at).id,
            "quantity": Decimal(quantity),
            "started_at": started_at,
            "ended_at": ended_at,
            "open_marker": 1 if ended_at is None else None,
        }
        for resource_id, started_at, ended_at in spans
    ]
    with app.app_context():
        db.session.execute(insert(table_of(BillingRecord)), rows)
        db.session.commit()


def add_uses(
    app: Flask,
    day: date,
    quantity: int,
    *,
    rate: str = "api.call",
    counted_in: date | None = None,
    project_id: int = OWN,
    resource: tuple[str, str] = ("", ""),
) -> None:
    """Have a project use something so many times on a day."""
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC)
    total = UsageTotal(
        project_key=str(project_id),
        counted_in=counted_in or day.replace(day=1),
        day=day,
        rate_id=app.extensions["billing"].settings.rates.at(rate, "usd", moment).id,
        resource_type=resource[0],
        resource_id=resource[1],
        quantity=Decimal(quantity),
        event_count=quantity,
    )
    with app.app_context():
        db.session.add(total)
        db.session.commit()


def in_app(app: Flask, function: Callable[[], Any]) -> Any:
    """What a function gives in an app context of its own."""
    with app.app_context():
        return function()


def statements_of(app: Flask, person: Person, path: str) -> int:
    """How many statements a page costs."""
    statements: list[str] = []

    def count(*args: Any) -> None:
        statements.append(args[2])

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", count)
        try:
            page = person.page(path)
            assert page.status_code == 200
            assert page.get_data()
        finally:
            event.remove(db.engine, "before_cursor_execute", count)
    return len(statements)
