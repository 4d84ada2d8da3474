"""What is told in these tests: projects with invoices, and a notifier that keeps what it gets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select

from flask_billing import (
    BilledProjectRow,
    BillingInfo,
    Invoice,
    InvoiceCollection,
    Letter,
    Notification,
    clock,
    notifying,
)
from tests.events.world import World
from tests.host import Project, billing, db

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)


class Box:
    """A notifier that keeps what it is given, until a test looks; it does first what it is told."""

    def __init__(self) -> None:
        self.letters: list[Letter] = []
        self.before: Callable[[], object] = lambda: None
        self.after: Callable[[], object] = lambda: None

    def send(self, letters: Sequence[Letter]) -> int:
        self.before()
        self.letters += letters
        self.after()
        return len(letters)

    def emails(self) -> list[str]:
        return [letter.email for letter in self.letters]

    def counts(self) -> Counter[tuple[UUID, str]]:
        """How often each recipient got each notification."""
        return Counter((letter.notification_id, letter.email) for letter in self.letters)


class Members:
    """The host's people; what it does first can be set."""

    def __init__(self) -> None:
        self.by_key: dict[str, list[Any]] = {}
        self.before: Callable[[], object] = lambda: None

    def emails(self, project_key: str) -> list[Any]:
        self.before()
        return self.by_key.get(project_key, [])


def new_project(world: World, *emails: str, billing_email: str = "") -> Project:
    """Return a project that pays by a customer with this billing e-mail, if any is given."""
    project = Project(name="north")
    if billing_email:
        customer = world.stripe.v1.customers.create({"email": billing_email})
        project.billing_info = BillingInfo(stripe_id=customer.id)
    db.session.add(project)
    db.session.flush()
    key = str(project.id)
    if db.session.get(BilledProjectRow, key) is None:
        db.session.add(BilledProjectRow(project_key=key))
    db.session.flush()
    db.session.get_one(BilledProjectRow, key).billing_info_id = project.billing_info_id
    db.session.commit()
    ask: Any = billing._hooks.members_emails
    ask.__self__.by_key[key] = list(emails)
    return project


def new_invoice(
    project: Project,
    invoice_state: str = "open",
    *,
    start: datetime = OCTOBER,
    end: datetime = NOVEMBER,
    **collection: Any,
) -> Invoice:
    """Return an invoice of 31.00, and how its money comes in."""
    invoice = Invoice(
        project_key=str(project.id),
        period_start=start,
        period_end=end,
        state=invoice_state,
        currency="usd",
        gross=3100,
        subtotal=3100,
        due=3100,
        line_count=0,
    )
    db.session.add(invoice)
    db.session.flush()
    values = {"total": 3100, "remaining": 3100, "billing_info_id": project.billing_info_id}
    db.session.add(InvoiceCollection(invoice_id=invoice.id, **values | collection))
    db.session.commit()
    return invoice


def receipt(world: World, *emails: str, billing_email: str = "") -> Invoice:
    """Note the receipt for an invoice of a new project; return the invoice."""
    project = new_project(world, *emails, billing_email=billing_email)
    invoice = new_invoice(project, "paid", state="done", paid=3100, remaining=0)
    note(invoice, "receipt")
    return invoice


def note(invoice: Invoice, kind: str, turn: int = 0) -> None:
    """Note and commit that something happened to an invoice."""
    notifying.note(
        db.session,
        kind,
        f"{kind}-{invoice.id}-{turn}",
        project_key=invoice.project_key,
        invoice_id=invoice.id,
    )
    db.session.commit()


def rows() -> list[Notification]:
    """Return all notifications as they are now, those to members first."""
    db.session.commit()
    query = select(Notification).order_by(Notification.topic, Notification.role.desc())
    return list(db.session.scalars(query, execution_options={"populate_existing": True}))


def states() -> dict[str, str]:
    """Return the state of each role's notification; of a test that has one happening."""
    found = rows()
    assert len(found) == 2
    return {row.role: row.state for row in found}


def soon(**ahead: float) -> datetime:
    return clock.now() + timedelta(**ahead)
