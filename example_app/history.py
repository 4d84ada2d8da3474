"""What the projects of the demo did in the last three months, and the invoices that came of it.

Everything is done as people do it: rows are added, changed and deleted, and the extension records
what that costs. Only the dates are set back afterwards, which no app but a demo has a reason for.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import update

from example_app import demo_clock
from example_app.extensions import billing, db
from example_app.models import Database, Project, Server, now
from flask_billing import (
    Adjustment,
    Allowance,
    BilledProjectRow,
    BillingInfo,
    BillingRecord,
    Credit,
    CreditEntry,
    Discount,
    PaymentMethod,
    SpendingAlert,
    collecting,
    invoicing,
    notifying,
)

# What bears the moment at which it was written.
DATES: dict[type[Any], list[str]] = {
    BilledProjectRow: ["created_at", "closed_until"],
    BillingInfo: ["created_at"],
    PaymentMethod: ["created_at", "changed_at"],
    BillingRecord: ["started_at", "ended_at"],
    Adjustment: ["created_at"],
    Allowance: ["created_at", "valid_from"],
    Discount: ["created_at", "valid_from"],
    Credit: ["granted_at"],
    CreditEntry: ["created_at"],
    SpendingAlert: ["created_at"],
}


def make_up(engine: Project, compiler: Project, loom: Project) -> None:
    """Let the projects have a past; the caller commits."""
    with happened(began()):
        db.session.flush()
        db.session.add(_free_calls())
    _run_engine(engine)
    _run_compiler(compiler)
    _run_loom(loom)


def began() -> datetime:
    """Return when the people of the demo came to Harbour."""
    return months_ago(3, day=2)


def close_and_collect() -> None:
    """Close each month when it ended, charge its invoices and tell, as `flask billing run` does.

    The days in between are those on which a card that is declined is tried again.
    """
    for months, days in ((2, [1]), (1, [1, 2, 4, 6, 8]), (0, [1])):
        for day in days:
            with demo_clock.at(months_ago(months, day=day, hour=day)):
                invoicing.close()
                collecting.collect()
                notifying.deliver()
    demo_clock.set_stripe(now())


@contextmanager
def happened(moment: datetime) -> Iterator[None]:
    """Set what is written in the block back to a moment."""
    entered = now()
    yield
    db.session.flush()
    for model, names in DATES.items():
        for name in names:
            newly = getattr(model, name) >= entered
            db.session.execute(update(model).where(newly).values({name: moment}))


def months_ago(months: int, *, day: int, hour: int = 9) -> datetime:
    """Return a moment in an earlier month; 1 is the last one that can be closed."""
    # A month waits an hour for events that come late, before it is closed.
    closable = now() - timedelta(hours=1)
    first = closable.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    for _ in range(months):
        first = (first - timedelta(days=1)).replace(day=1)
    return first + timedelta(days=day - 1, hours=hour)


def _run_engine(project: Project) -> None:
    """Let it grow and shrink, and be given credit, a discount and an apology."""
    key, staff = str(project.id), str(project.memberships[0].user_id)
    with happened(months_ago(3, day=3)):
        worker = Server(project=project, name="worker-1", size="standard-4")
        web = Server(project=project, name="web-1", size="small")
        db.session.add_all([worker, web, Database(project=project, name="main", size="standard")])
        _grant(key, 2500, reason="welcome", granted_by=staff)
    with happened(months_ago(2, day=10)):
        _discount(key, Decimal(10), scope="group", target="Databases", reason="early_adopter")
    with happened(months_ago(2, day=14, hour=15)):
        web.size = "standard-2"
    with happened(months_ago(2, day=21)):
        db.session.delete(worker)
    with happened(months_ago(2, day=25)):
        apology = {"amount": -500, "currency": "usd", "reason": "outage", "made_by": staff}
        db.session.add(Adjustment(project_key=key, **apology))
    with happened(months_ago(1, day=5)):
        db.session.add(Server(project=project, name="web-2", size="standard-2"))
        _alert(key, 10_000, label="Two thirds")
        _alert(key, 25_000, stops_creation=True)
    _count_calls(project, since=months_ago(3, day=3), a_day=900)
    _grant(key, 1000, reason="referral", granted_by=staff)


def _run_compiler(project: Project) -> None:
    """Let it begin with a month too small to charge, which is carried to the next."""
    with happened(months_ago(2, day=12)):
        db.session.add(Server(project=project, name="build-1", size="small"))
    with happened(months_ago(1, day=1)):
        _discount(str(project.id), Decimal(50), scope="project", reason="open_source")
    with happened(months_ago(1, day=8)):
        db.session.add(Database(project=project, name="cache", size="small"))
    _count_calls(project, since=months_ago(3, day=3), a_day=400)


def _run_loom(project: Project) -> None:
    """Let it use something for two weeks, which its card did not pay for."""
    with happened(months_ago(2, day=3)):
        server = Server(project=project, name="jacquard-1", size="standard-2")
        db.session.add(server)
    with happened(months_ago(2, day=17)):
        db.session.delete(server)


def _free_calls() -> Allowance:
    quantity = Decimal(10_000)
    return Allowance(
        scope="rate", target="api.call", quantity=quantity, valid_from=now(), reason="free_tier"
    )


def _discount(key: str, percent: Decimal, **terms: str) -> None:
    discount = Discount(project_key=key, percent=percent, valid_from=now(), **terms)
    db.session.add(discount)


def _alert(key: str, amount: int, **more: Any) -> None:
    db.session.add(SpendingAlert(project_key=key, amount=amount, currency="usd", **more))


def _grant(key: str, amount: int, *, reason: str, granted_by: str) -> None:
    credit = Credit(
        project_key=key,
        amount=amount,
        remaining=amount,
        currency="usd",
        reason=reason,
        granted_by=granted_by,
        expires_at=now() + timedelta(days=365),
    )
    db.session.add(credit)
    db.session.flush()
    entry = CreditEntry(credit_id=credit.id, kind="granted", amount=amount, made_by=granted_by)
    db.session.add(entry)


def _count_calls(project: Project, *, since: datetime, a_day: int) -> None:
    """Record what a project's programs asked of the API: one event a day, of many calls."""
    days = [since + timedelta(days=number) for number in range((now() - since).days + 1)]
    billing.record_usage_batch(
        {
            "project": project,
            "rate": "api.call",
            "quantity": a_day + 37 * day.day % 100,
            "event_id": f"demo-{day:%Y-%m-%d}",
            "at": day,
        }
        for day in days
    )
