"""The host of the credit tests, and usage that costs what a test says."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import delete

from flask_billing import UsageTotal, clock, projects
from flask_billing.metering import registry
from flask_billing.periods import month_of
from flask_billing.state import current
from tests.credits.conftest import app, kept_tables, small_app, time
from tests.host import db

__all__ = ["app", "cost", "kept_tables", "small_app", "time"]

#: An event of this rate costs 0.0001.
CALLS_PER_CENT = 100


def cost(key: str, amount: int) -> None:
    """Let a project have used so many cents' worth of calls to the API in this month."""
    month = month_of(clock.now())
    rate = current().settings.rates.at("api.call", "usd", month.start)
    assert rate is not None
    registry.ensure(projects.connection(), [rate])
    db.session.execute(delete(UsageTotal).where(UsageTotal.project_key == key))
    total = UsageTotal(
        project_key=key,
        counted_in=month.start.date(),
        day=clock.now().date(),
        rate_id=rate.id,
        quantity=Decimal(amount * CALLS_PER_CENT),
        event_count=1,
    )
    db.session.add(total)
    db.session.commit()
