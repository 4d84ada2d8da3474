"""Reads billing records in the words of the tests."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sqlalchemy import Engine, event, select

from flask_billing import BillingRate, BillingRecord
from flask_billing.models import table_of
from tests.host import db


class Span(NamedTuple):
    resource: str
    slot: str
    rate: str
    quantity: Decimal
    project: str
    started_at: datetime
    ended_at: datetime | None


def spans(*, running: bool = False) -> list[Span]:
    """What was recorded, or what is running, in the order of resource, slot and time."""
    record, rate = table_of(BillingRecord), table_of(BillingRate)
    query = (
        select(
            record.c.resource_id,
            record.c.slot,
            rate.c.name,
            record.c.quantity,
            record.c.project_key,
            record.c.started_at,
            record.c.ended_at,
        )
        .join(rate, rate.c.id == record.c.rate_id)
        .order_by(record.c.resource_id, record.c.slot, record.c.started_at, record.c.id)
    )
    if running:
        query = query.where(record.c.open_marker == 1)
    with db.engine.connect() as connection:
        return [Span(*row) for row in connection.execute(query)]


def running() -> set[tuple[str, str, str, int]]:
    """Resource, slot, rate and quantity of what is running."""
    return {(s.resource, s.slot, s.rate, int(s.quantity)) for s in spans(running=True)}


class Statements:
    """Collects what is sent to the databases while a block runs."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def __enter__(self) -> list[str]:
        event.listen(Engine, "before_cursor_execute", self._note)
        return self.texts

    def __exit__(self, *_: object) -> None:
        event.remove(Engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.texts.append(" ".join(statement.split()))
